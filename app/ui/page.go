// Package ui draws the page: one component that is the whole screen, and a function per thing the user sees. Everything on
// it is a view of the session and its plan document.
package ui

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
	"partita/planner"
)

// Host is what the page needs of the browser around it.
type Host interface {
	state.Server
	// OnDrop calls back when files are dropped anywhere on the window, and when they are dragged over it and away.
	OnDrop(drop func([]state.File), over func(bool))
	// Chosen gives the files chosen in a file input.
	Chosen(elementID string) []state.File
	// SetValue sets the value property of an input, which attributes cannot do once the user has touched it.
	SetValue(elementID, value string)
	// ReadFile reads a whole (small) file.
	ReadFile(ctx context.Context, file state.File) ([]byte, error)
}

// Page is the screen.
type Page struct {
	app.Compo

	host     Host
	ctx      app.Context // of the page itself: events' own contexts end with the elements they came from
	mounted  bool        // false on the server, and in the browser until the program has started
	session  *state.Session
	request  planner.Request
	reading  *reading // nil when nothing is being opened
	dropping bool
	problem  string // the last thing that went wrong; "" when nothing did
	deployed deployment
}

// NewPage makes the screen. On the server, where the page is only drawn once as a skeleton, host is nil.
func NewPage(host Host) *Page {
	return &Page{host: host, request: planner.DefaultRequest()}
}

// Register tells go-app which component answers at which path.
func Register(host Host) {
	app.Route("/", func() app.Composer { return NewPage(host) })
}

// OnMount connects the page to the window.
func (p *Page) OnMount(ctx app.Context) {
	p.ctx, p.mounted = ctx, true
	p.host.OnDrop(p.open, func(over bool) { p.dispatch(func() { p.dropping = over }) })
}

// dispatch runs a change of the page on the user-interface goroutine and draws the page again.
func (p *Page) dispatch(change func()) {
	p.ctx.Dispatch(func(app.Context) { change() })
}

// open reads and plans a model; weights alone belong to the model that is open.
func (p *Page) open(files []state.File) {
	if len(files) == 0 {
		return
	}
	p.dispatch(func() {
		current := p.session
		p.load(&reading{name: files[0].Name(), files: files}, func(ctx context.Context, r planner.Request) (*state.Session, error) {
			return state.OpenBeside(ctx, current, files, r)
		})
	})
}

// reading is a model that is being opened.
type reading struct {
	name   string
	files  []state.File
	cancel context.CancelFunc
}

// progress says how much has been read, for a user who waits.
func (r *reading) progress() string {
	var read, size int64
	for _, f := range r.files {
		read += f.BytesRead()
		size += f.Size()
	}
	if size == 0 {
		return "Opening " + r.name + " …"
	}
	return "Reading " + r.name + ": " + bytes(read) + " of " + bytes(size) + " …"
}

// progressInterval is how often the page says how far a reading is.
const progressInterval = 250 * time.Millisecond

// load shows the session that read gives, off the user-interface goroutine because reading waits for the browser.
func (p *Page) load(r *reading, read func(context.Context, planner.Request) (*state.Session, error)) {
	if p.reading != nil {
		p.reading.cancel()
	}
	work, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	p.reading, p.problem, p.dropping = r, "", false
	request := p.request
	p.ctx.Async(func() {
		session, err := read(work, request)
		p.dispatch(func() {
			cancel()
			if p.reading != r {
				return // another file was opened meanwhile
			}
			p.reading = nil
			if err != nil {
				p.problem = explained(err)
				return
			}
			p.session = session
			p.deployed = deployment{name: suggestedName(session.Model.Name)}
			p.placeSlider()
		})
	})
	p.tick(r)
}

// tick draws the progress of a reading until it has ended.
func (p *Page) tick(r *reading) {
	p.ctx.After(progressInterval, func(app.Context) {
		if p.reading == r {
			p.tick(r)
		}
	})
}

// readingNow tells what is being opened, and stops it on demand.
func (p *Page) readingNow() app.UI {
	return app.Div().ID("reading").Aria("live", "polite").Body(
		app.If(p.reading != nil, func() app.UI {
			return app.Div().Class("card").Body(
				app.P().Text(p.reading.progress()),
				app.Button().ID("stop-reading").Text("Cancel").OnClick(func(app.Context, app.Event) {
					p.reading.cancel()
					p.reading, p.problem = nil, "Cancelled."
				}),
			)
		}),
	)
}

// change asks the planner something else and keeps the slider where the new plan is.
func (p *Page) change(change func(*planner.Request)) {
	p.problem = ""
	if err := p.session.Change(change); err != nil {
		p.problem = explained(err)
		return
	}
	p.request = p.session.Request
	p.placeSlider()
}

// Render draws the screen.
func (p *Page) Render() app.UI {
	class := "page"
	if p.dropping {
		class += " dropping"
	}
	return app.Div().Class(class).Body(
		p.bar(),
		app.If(p.session == nil, p.empty).Else(p.planned),
		app.Footer().Body(app.Text("Planning happens in this page: nothing leaves this computer until you deploy. "+p.priceNote())),
	)
}

func (p *Page) bar() app.UI {
	model := app.Div().Class("model").ID("model").Body(app.Text("Serve a neural network on serverless functions at the least cost"))
	if p.session != nil {
		i := p.session.Inspect
		model = app.Div().Class("model").ID("model").Body(
			app.Strong().Text(i.Name),
			app.Text(" · "+count(int64(i.Layers))+" layers · "+millions(i.Parameters)+" parameters · "+bytes(i.WeightBytes)+" · "+millions(i.MACs)+" multiply-accumulates · "),
			app.Span().ID("bytes-read").Text(p.session.ReadNote(bytes)),
		)
	}
	return app.Header().Class("bar").Body(
		app.H1().Text("Partita"),
		model,
		app.If(p.session != nil, func() app.UI { return p.chooser("Open another…", false) }),
	)
}

// chooser is the keyboard's way to open a file; dropping works anywhere.
func (p *Page) chooser(label string, primary bool) app.UI {
	class := "button"
	if primary {
		class += " primary"
	}
	return app.Span().Body(
		app.Input().Type("file").ID("model-file").Multiple(true).Accept(".h5,.hdf5,.keras,.onnx,.json,.yaml,.yml,.bin,.zip,.data").
			OnChange(func(app.Context, app.Event) { p.open(p.host.Chosen("model-file")) }),
		app.Label().For("model-file").Class(class).Text(label),
	)
}

func (p *Page) empty() app.UI {
	return app.Main().Class("single").Body(
		app.Div().Class("column").Body(
			p.trouble(), p.readingNow(),
			app.Div().Class("drop").Body(
				app.If(!p.mounted, func() app.UI {
					return app.P().Text("Loading the planner…")
				}).Else(func() app.UI {
					return app.Div().Body(
						app.P().Text("Drop a Keras, ONNX or TensorFlow.js model here, with its weights beside it where they are files of their own."),
						p.chooser("Choose a file…", true),
						app.P().Class("unit").Text("You will see what it costs to serve, how fast it is, and why. Only the bytes needed are read."),
					)
				}),
			),
			app.If(p.mounted && p.reading == nil, p.gallery),
		),
	)
}

func (p *Page) planned() app.UI {
	return app.Main().Body(
		app.Div().Class("column").Body(p.trouble(), p.readingNow(), p.answer(), p.controls()),
		app.Div().Class("column").Body(p.chart(), p.strip(), p.stages(), p.timeline(), p.deploy()),
	)
}

// trouble shows the last thing that went wrong.
func (p *Page) trouble() app.UI {
	return app.Div().ID("problem").Aria("live", "assertive").Body(
		app.If(p.problem != "", func() app.UI {
			return app.Div().Class("card problem").Body(app.Strong().Text("That did not work. "), app.Text(p.problem))
		}),
	)
}

func (p *Page) priceNote() string {
	if p.session == nil || p.session.Plan == nil {
		return ""
	}
	return "Prices of " + p.session.Plan.PriceBook.Date + "."
}

// explained gives what to show of an error.
func explained(err error) string {
	if errors.Is(err, context.Canceled) {
		return "Cancelled."
	}
	return err.Error()
}

// document gives the plan as the server takes it.
func (p *Page) document() (json.RawMessage, error) { return p.session.Plan.Encode() }
