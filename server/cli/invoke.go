package cli

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"partita/planner/cost"
	"partita/planner/diag"
	"partita/runtime/npy"
	"partita/runtime/wire"
	"partita/server/api"
	"partita/server/deploy"
)

// Inputs up to inlineInput bytes in all travel in the request; what is more is uploaded, so that no JSON document holds it.
const (
	inlineInput = int64(4 << 20)
	maxInput    = 2 << 30
)

// invocation is what invoke --json prints: the tensors themselves are written to files.
type invocation struct {
	Format  string            `json:"format"`
	Outputs []wire.TensorSpec `json:"outputs"`
	Top     [][]wire.Class    `json:"top"`
	Trace   wire.Trace        `json:"trace"`
}

func invoke(ctx context.Context, a *arguments, env *environment) error {
	c, err := newClient(a, env)
	if err != nil {
		return err
	}
	name := a.words[0]
	if err := deploy.CheckName(name); err != nil {
		return err
	}
	top, err := a.number("top", 0, 1000)
	if err != nil {
		return err
	}
	if a.text("output") == "-" && a.on("json") {
		return usage(find("invoke"), "--output - and --json both want standard output")
	}
	request := &api.InvocationRequest{Preprocess: a.text("preprocess"), Top: int(top)}
	words, err := inputFiles(a.words[1:])
	if err != nil {
		return err
	}
	room := inlineInput
	for _, word := range words {
		input, err := readInput(ctx, c, word, env, &room)
		if err != nil {
			return err
		}
		request.Inputs = append(request.Inputs, *input)
	}
	reply := &api.InvocationReply{}
	if err := c.json(ctx, "invoking "+name, http.MethodPost, deploymentPath(name)+"/invocations", request, reply); err != nil {
		for _, i := range request.Inputs {
			if i.Upload != "" {
				c.dropUpload(context.WithoutCancel(ctx), i.Upload)
			}
		}
		return err
	}
	if err := writeOutputs(a, reply, env); err != nil {
		return err
	}
	if a.text("output") == "-" {
		return nil
	}
	shown := &invocation{Format: deploy.InvocationFormat, Outputs: []wire.TensorSpec{}, Top: reply.Top, Trace: reply.Trace}
	for _, o := range reply.Outputs {
		shown.Outputs = append(shown.Outputs, wire.TensorSpec{Name: o.Name, DType: o.DType, Shape: o.Shape})
	}
	if a.on("json") {
		return writeJSON(env.out, shown)
	}
	return showInvocation(env.out, shown)
}

// inputFiles puts in the place of each folder the inputs in it, by their names. What else is in it counts for nothing.
func inputFiles(words []string) ([]string, error) {
	var all []string
	for _, word := range words {
		name, folder := inputName(word)
		entries, err := os.ReadDir(folder)
		if err != nil { // a file, standard input, or nothing: readInput says which
			all = append(all, word)
			continue
		}
		found := 0
		for _, e := range entries {
			if !e.Type().IsRegular() || contentType(e.Name()) == "" {
				continue
			}
			path := filepath.Join(folder, e.Name())
			if name != "" {
				path = name + "=" + path
			}
			all = append(all, path)
			found++
		}
		if found == 0 {
			return nil, diag.New(diag.Usage, "invoke.no-inputs", "reading the folder "+folder, "no file in it is named as an image, an array or a tensor", "name files, or a folder with .jpg, .png, .webp, .npy, .pkl or .json files")
		}
	}
	if len(all) > cost.MaxInputs {
		return nil, diag.New(diag.Limit, "invoke.too-many-inputs", "reading the inputs", fmt.Sprintf("there are %d files", len(all)), fmt.Sprintf("send at most %d in a request", cost.MaxInputs))
	}
	return all, nil
}

// inputName divides an INPUT argument, FILE or NAME=FILE. A file whose own name has an equals sign is taken as it is.
func inputName(word string) (name, path string) {
	if before, after, named := strings.Cut(word, "="); named {
		if _, err := os.Stat(word); err != nil {
			return before, after
		}
	}
	return "", word
}

// readInput reads one INPUT argument; room is how many bytes may still travel in the request. Several files of one input make a
// batch.
func readInput(ctx context.Context, c *client, word string, env *environment, room *int64) (*api.InvocationInput, error) {
	name, path := inputName(word)
	input := &api.InvocationInput{Name: name}
	f, size, err := openFile(path, env)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > maxInput {
		return nil, diag.New(diag.Limit, "file.too-large", "reading "+path, fmt.Sprintf("it has %d bytes; an input has at most %d", size, int64(maxInput)), "send it in several parts")
	}
	input.ContentType = contentType(path)
	if *room -= size; *room < 0 {
		*room += size
		u, err := c.upload(ctx, path, f, size)
		if err != nil {
			return nil, err
		}
		input.Upload = u.ID
		return input, nil
	}
	input.Data = make([]byte, size)
	if _, err := f.ReadAt(input.Data, 0); err != nil && size > 0 {
		return nil, fileError("reading "+path, err)
	}
	return input, nil
}

// contentType is told by a file's name; "" leaves it to the gateway, which looks at the content.
func contentType(path string) string {
	return map[string]string{
		".npy": wire.TypeNPY, ".pkl": wire.TypePickle, ".pickle": wire.TypePickle, ".json": wire.TypeJSON,
		".jpg": wire.TypeJPEG, ".jpeg": wire.TypeJPEG, ".png": wire.TypePNG, ".webp": wire.TypeWebP,
	}[strings.ToLower(filepath.Ext(path))]
}

func writeOutputs(a *arguments, reply *api.InvocationReply, env *environment) error {
	if path := a.text("output"); path != "" {
		if len(reply.Outputs) == 0 {
			return diag.New(diag.Internal, "invoke.no-output", "writing "+path, "the reply has no output tensor", "")
		}
		var err error
		if first := &reply.Outputs[0]; path == "-" {
			err = arrayOf(first).Write(env.out)
		} else {
			err = writeTensor(path, first)
		}
		if err != nil {
			return err
		}
	}
	folder := a.text("output-dir")
	if folder == "" {
		return nil
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return fileError("making "+folder, err)
	}
	for i := range reply.Outputs {
		o := &reply.Outputs[i]
		if err := writeTensor(filepath.Join(folder, fileName(o.Name)+".npy"), o); err != nil {
			return err
		}
	}
	return nil
}

// fileName makes a tensor's name one that stays in its folder: it comes from a model, and layers may have slashes in
// their names.
func fileName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r < ' ' {
			return '_'
		}
		return r
	}, name)
	if strings.Trim(name, ".") == "" {
		return "output" + name
	}
	return name
}

// writeTensor writes a tensor to a file, which is not left half written.
func writeTensor(path string, t *api.OutputTensor) error {
	f, err := os.Create(path)
	if err != nil {
		return fileError("writing "+path, err)
	}
	err = arrayOf(t).Write(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		return nil
	}
	if info, statErr := os.Lstat(path); statErr == nil && info.Mode().IsRegular() { // and not a device
		os.Remove(path)
	}
	return fileError("writing "+path, err)
}

func arrayOf(t *api.OutputTensor) *npy.Array {
	return &npy.Array{DType: t.DType, Shape: t.Shape, Data: t.Data}
}
