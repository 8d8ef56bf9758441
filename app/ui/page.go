// Package ui draws the page: one component that is the whole screen, and a function per thing the user sees. Everything on
// it is a view of the session and its answer.
package ui

import (
	"context"
	"errors"
	"time"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
	"partita/planner/report"
)

// Host is what the page needs of the browser around it.
type Host interface {
	state.Server
	state.Planner
	// Ready marks that the page takes what the user does.
	Ready()
	// MakeWeights makes up weights for a model that has none, as a file that the browser holds.
	MakeWeights(ctx context.Context, o *state.Opening, name string, made func(bytes int64)) (state.File, error)
	// OnDrop calls back when files are dropped anywhere on the window, and when they are dragged over it and away. The error says why what was
	// dropped cannot be taken.
	OnDrop(drop func([]state.File, error), over func(bool))
	// OnAddress calls back when a link is dropped on the window or pasted outside a field.
	OnAddress(open func(text string))
	// At gives the file at a web address; where it has to be fetched as a whole, progress is told. Local gives a file whose bytes the browser
	// has: another is fetched.
	At(ctx context.Context, address string, read func(bytes int64)) (state.File, error)
	Local(ctx context.Context, file state.File, read func(bytes int64)) (state.File, error)
	// OnShortcut calls back when the user types the keys for "undo", "redo" or "find".
	OnShortcut(do func(what string))
	// Chosen gives the files chosen in a file input.
	Chosen(elementID string) []state.File
	// SetValue sets the value property of an input, which attributes cannot do once the user has touched it.
	SetValue(elementID, value string)
	// Extent gives where an element begins in the window and how wide it is, in pixels; a width of 0: it is not there.
	Extent(elementID string) (left, top, width float64)
	// OnResize calls back when the window has another size.
	OnResize(resized func())
	// Focus puts the keyboard into an element.
	Focus(elementID string)
	// Draw fills an element, which the page itself leaves empty, with markup.
	Draw(elementID, markup string)
	// ScrollTo scrolls an element sideways until a share of its content's width is in the middle.
	ScrollTo(elementID string, share float64)
	// Stretch draws an element, which an other scrolls, so many times as wide, with a share of it so many pixels from that other's left.
	Stretch(scrollerID, elementID string, factor, share, at float64)
	// ScrollBy scrolls an element sideways by pixels.
	ScrollBy(elementID string, pixels float64)
	// ReadFile reads a whole (small) file.
	ReadFile(ctx context.Context, file state.File) ([]byte, error)
	// Note writes down where a visit is, and Jot what has been begun beyond that, before they return: Left gives both after a reload, nil
	// where a link is to be opened instead. Note gives the visit's ID, and Jot the mark of a visit that has it.
	Note(visit state.Kept) string
	Jot(pending []byte) int
	Left(ctx context.Context) *state.Kept
	// Keep keeps a visit and its files for another day, and Kept gives those that were, the latest first; Files gives files that were kept,
	// by key. Adopt goes on with one of the visits under its own name, "" with a new one.
	Keep(ctx context.Context, visit state.Kept) error
	Kept(ctx context.Context) []state.Kept
	Files(ctx context.Context, keys []string) map[string]state.File
	Adopt(id string)
	// Theme gives the name of the page's colours, "" for the system's, and SetTheme changes and keeps it.
	Theme() string
	SetTheme(name string)
	// Reload opens the page anew.
	Reload()
	// OnLaunch calls back when the installed page is opened with files.
	OnLaunch(open func([]state.File))
	// OpenedShort gives the name of the short link that the page was opened with, and ShortAddress the address of one.
	OpenedShort() string
	ShortAddress(id string) string
	// Remember keeps the link of what is on the screen, and Remembered gives it after a reload, or the one that was opened.
	Remember(fragment string)
	Remembered() string
	// OnLink calls back when another link is put into the address of the open page.
	OnLink(opened func(fragment string))
	// Address gives the whole address of a fragment.
	Address(fragment string) string
	// Copy puts text on the clipboard.
	Copy(ctx context.Context, text string) error
	// Save offers bytes as a download, and SavePicture an SVG drawing as PNG.
	Save(name string, raw []byte)
	SavePicture(ctx context.Context, name, svg string) error
}

// Page is the screen.
type Page struct {
	app.Compo

	host     Host
	ctx      app.Context // of the page itself: events' own contexts end with the elements they came from
	mounted  bool        // false on the server, and in the browser until the program has started
	session  *state.Session
	about    *state.About  // nil until the planner has told it
	request  state.Request // of the model that is opened next
	reading  *reading      // nil when nothing is being opened
	question *question     // being answered; nil when none is
	next     *question     // asked meanwhile; only the latest counts
	dropping bool
	problem  string       // the last thing that went wrong; "" when nothing did
	notice   string       // what else there is to know; "" when nothing
	cloud    *state.Cloud // nil until the server has told where deployments go
	deployed deployment
	reasons  reasons
	outlook  outlook
	drawn    map[string]drawn // drawings, by what they are of
	room     int64            // width of the charts, in pixels
	slide    slide            // along a chart, with a pointer
	view     modelView
	keeping  keeping
	sharing  sharing
	sample   sample
	built    int // how many parts of the screen of a plan are there; see build
}

// NewPage makes the screen. On the server, where the page is only drawn once as a skeleton, host is nil.
func NewPage(host Host) *Page {
	return &Page{host: host, request: state.Request{}, room: usualRoom}
}

// Register tells go-app which component answers at which path.
func Register(host Host) {
	page := func() app.Composer { return NewPage(host) }
	app.Route("/", page)
	app.RouteWithRegexp("^/s/[A-Za-z0-9_-]+$", page) // short links
}

// OnMount connects the page to the window.
func (p *Page) OnMount(ctx app.Context) {
	p.ctx, p.mounted = ctx, true
	p.meetPlanner()
	p.host.OnDrop(p.drop, func(over bool) { p.dispatch(func() { p.dropping = over }) })
	p.host.OnAddress(func(text string) { p.dispatch(func() { p.openAddresses(text) }) })
	p.host.OnShortcut(func(what string) {
		p.dispatch(func() {
			switch what {
			case "undo":
				p.undo()
			case "redo":
				p.redo()
			case "find":
				p.host.Focus("search")
			}
		})
	})
	p.host.OnResize(func() { p.dispatch(p.measure) })
	p.host.OnLink(func(fragment string) {
		p.dispatch(func() {
			p.keeping.awaited = false
			p.openLink(fragment)
		})
	})
	p.meetServer()
	p.askForUpdates()
	p.host.OnLaunch(p.open)
	p.comeBack()
	p.ctx.Defer(func(app.Context) { p.host.Ready() })
}

// meetPlanner loads the planner, before it is needed, and learns what it offers.
func (p *Page) meetPlanner() {
	p.ctx.Async(func() {
		about, err := p.host.About(context.Background())
		p.dispatch(func() {
			if err != nil {
				p.problem = explained(err)
				return
			}
			p.about = about
			p.sampleSoon()
		})
	})
}

// meetServer learns where deployments go. Without a server the page plans all the same.
func (p *Page) meetServer() {
	p.ctx.Async(func() {
		cloud, err := p.host.Cloud(context.Background())
		p.dispatch(func() {
			if err == nil {
				p.cloud = cloud
			}
		})
	})
}

// dispatch runs a change of the page on the user-interface goroutine and draws the page again.
func (p *Page) dispatch(change func()) {
	p.ctx.Dispatch(func(app.Context) { change() })
}

// Render draws the screen.
func (p *Page) Render() app.UI {
	class := "page"
	if p.dropping {
		class += " dropping"
	}
	return app.Div().Class(class).Body(
		p.bar(),
		p.update(),
		app.If(p.session != nil, p.asked),
		app.If(p.session == nil, p.empty).Else(p.planned),
		app.Footer().Body(app.Text("Planning happens in this page: nothing leaves this computer until you deploy. "+p.priceNote())),
	)
}

func (p *Page) bar() app.UI {
	model := app.Div().Class("model").ID("model").Body(app.Text("Serve a neural network on serverless functions at the least cost"))
	if shown := p.shownModel(); shown != nil {
		i := shown.Model.Inspect
		model = app.Div().Class("model").ID("model").Body(
			app.Strong().Text(i.Name),
			app.Text(" · "+report.Grouped(int64(i.Layers))+" layers · "+report.Millions(i.Parameters)+" parameters · "+report.Bytes(i.WeightBytes)+" · "+report.Millions(i.MACs)+" multiply-accumulates · "),
			app.Span().ID("bytes-read").Text(shown.ReadNote(report.Bytes)),
		)
	}
	return app.Header().Class("bar").Body(
		app.H1().Text("Partita"),
		model,
		p.theme(),
		app.If(p.session != nil, func() app.UI {
			return app.Div().Class("actions").Body(
				app.Button().Type("button").ID("undo").Title("Undo (Ctrl+Z)").Text("Undo").Disabled(!p.session.CanUndo()).OnClick(func(app.Context, app.Event) { p.undo() }),
				app.Button().Type("button").ID("redo").Title("Redo (Ctrl+Shift+Z)").Text("Redo").Disabled(!p.session.CanRedo()).OnClick(func(app.Context, app.Event) { p.redo() }),
				app.Button().Type("button").ID("share").Text("Copy link").OnClick(p.share),
				app.Button().Type("button").ID("short").Title("A short link to this plan, kept by the server until it is revoked").Text("Short link").OnClick(p.shorten),
				p.keeper(),
				p.exporter(),
				p.chooser("Open another…", false),
				p.addressMenu(),
			)
		}),
	)
}

// shownModel gives the model to tell of: the one being opened as soon as it is known, for planning a large one takes a
// while.
func (p *Page) shownModel() *state.View {
	if p.reading != nil && p.reading.model != nil {
		return &state.View{Opening: p.reading.opening, Model: p.reading.model}
	}
	if p.session != nil {
		return &p.session.View
	}
	return nil
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
			p.trouble(), p.busy(), p.missing(),
			app.If(p.reading == nil && p.keeping.resuming == nil && len(p.keeping.recent) > 0, p.visits),
			app.Div().Class("drop").Body(
				app.If(!p.mounted, func() app.UI {
					return app.P().Text("Loading the planner…")
				}).Else(func() app.UI {
					return app.Div().Body(
						app.P().Text("Drop a Keras, ONNX or TensorFlow.js model here, with its weights beside it where they are files of their own."),
						p.chooser("Choose a file…", true),
						p.address(),
						app.P().Class("unit").Text("You will see what it costs to serve, how fast it is, and why. Only the bytes needed are read."),
					)
				}),
			),
			app.If(p.about != nil && p.reading == nil && p.keeping.resuming == nil, p.gallery),
		),
		p.samplePlan(),
	)
}

// usualRoom is the width of the charts until it is measured.
const usualRoom = 720

// measure looks how much room the charts have, once they are drawn.
func (p *Page) measure() {
	p.ctx.Defer(func(app.Context) {
		for _, id := range []string{plotID, samplePlotID} {
			if _, _, width := p.host.Extent(id); width > 0 && int64(width) != p.room {
				p.dispatch(func() { p.room = int64(width) })
			}
		}
	})
}

// parts is how many steps the screen of a plan is built in.
const parts = 4

// buildInterval is longer than a frame of go-app, which draws all that has changed in one.
const buildInterval = 16 * time.Millisecond

// build adds the parts of the screen of a plan one after the other, each in a frame of its own: making all their elements at once
// would keep the page from answering.
func (p *Page) build() {
	if p.built == parts {
		return
	}
	p.built++
	p.placeInputs()
	p.ctx.After(buildInterval, func(app.Context) { p.build() })
}

// part draws what is there from a step on.
func (p *Page) part(step int, draw func() app.UI) app.UI {
	if p.built < step {
		return app.Div()
	}
	return draw()
}

func (p *Page) planned() app.UI {
	// In the order in which they are read: where there is room, the first and the third stand on the left, the others beside them.
	return app.Main().Aria("busy", p.reading != nil || p.question != nil || p.built < parts).Body(
		app.Div().Class("column").Body(p.trouble(), p.busy(), p.missing(), p.lost(), p.shortLinks(), p.answer(), p.part(2, p.why), p.part(2, p.uses)),
		app.Div().Class("column stretched").Body(p.chart()),
		app.Div().Class("column").Body(p.part(2, p.dimensions), p.part(2, p.controls), p.part(2, p.notes)),
		app.Div().Class("column").Body(p.part(2, p.comparison), p.part(3, p.monthsCard), p.part(3, p.model), p.part(4, p.stages), p.part(4, p.timeline), p.part(4, p.deploy)),
	)
}

// trouble shows the last thing that went wrong, and what else there is to know.
func (p *Page) trouble() app.UI {
	return app.Div().Class("messages").Body(
		app.Div().ID("problem").Aria("live", "assertive").Body(
			app.If(p.problem != "", func() app.UI {
				return app.Div().Class("card problem").Body(app.Strong().Text("That did not work. "), app.Text(capital(p.problem)))
			}),
		),
		app.Div().ID("notice").Aria("live", "polite").Body(
			app.If(p.notice != "", func() app.UI { return app.Div().Class("card").Text(p.notice) }),
		),
	)
}

func (p *Page) priceNote() string {
	if p.session == nil {
		return ""
	}
	return "Prices of " + p.session.Answer.Plan.PriceBook.Date + "."
}

// explained gives what to show of an error.
func explained(err error) string {
	if errors.Is(err, context.Canceled) {
		return "Cancelled."
	}
	return err.Error()
}

// progressInterval is how often the page says how far a reading is, and after which it says that it is planning.
const progressInterval = 250 * time.Millisecond
