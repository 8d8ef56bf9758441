//go:build libhdf5 && linux

package libhdf5

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"partita/planner/hdf5"
)

// The conversation is questions and answers in turn. Each is a frame: its length (4 bytes, little-endian), then for an
// answer one byte that says what it is, then the rest. Questions are JSON; so is the catalog; elements are bytes.

// workerName is the name (argv[0]) under which the program's own executable is run again to read one file.
const workerName = "partita-hdf5-worker"

// fileDescriptor is where the worker finds the file.
const fileDescriptor = 3

const (
	maxQuestion = 1 << 10
	maxAnswer   = 256 << 20 // of a catalog with its attributes
	windowBytes = 4 << 20   // of elements in one answer, unless one element has more
)

// operation is what a question asks for.
type operation string

const (
	askCatalog  operation = "catalog"
	askRaw      operation = "raw"     // elements as stored
	askFloat32s operation = "float32" // elements as little-endian float32
	askStrings  operation = "strings"
)

type question struct {
	Ask    operation `json:"ask"`
	Object int       `json:"object,omitempty"` // a place in the catalog
	Offset int64     `json:"offset,omitempty"` // of the first element
	Count  int64     `json:"count,omitempty"`
}

// kind says what an answer is.
type kind byte

const (
	answerBytes   kind = 'b'
	answerJSON    kind = 'j'
	answerProblem kind = 'p' // a hdf5.Problem as JSON
)

func writeFrame(w io.Writer, head []byte, body []byte) error {
	size := binary.LittleEndian.AppendUint32(nil, uint32(len(head)+len(body)))
	if _, err := w.Write(append(size, head...)); err != nil {
		return err
	}
	_, err := w.Write(body)
	return err
}

// frameSize reads the length of the next frame.
func frameSize(r io.Reader, limit int) (int, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return 0, err
	}
	if n := binary.LittleEndian.Uint32(size[:]); n > 0 && uint64(n) <= uint64(limit) {
		return int(n), nil
	}
	return 0, errors.New("a frame is empty or too long")
}

func writeQuestion(w io.Writer, q question) error {
	text, err := json.Marshal(q)
	if err != nil {
		return err
	}
	return writeFrame(w, nil, text)
}

func readQuestion(r io.Reader) (q question, err error) {
	n, err := frameSize(r, maxQuestion)
	if err != nil {
		return q, err
	}
	text := make([]byte, n)
	if _, err = io.ReadFull(r, text); err != nil {
		return q, fmt.Errorf("a question breaks off: %w", err)
	}
	return q, json.Unmarshal(text, &q)
}

func writeAnswer(w io.Writer, k kind, body []byte) error {
	if len(body) >= maxAnswer {
		return errors.New("an answer is too long")
	}
	return writeFrame(w, []byte{byte(k)}, body)
}

func writeJSON(w io.Writer, k kind, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeAnswer(w, k, body)
}

func writeProblem(w io.Writer, err error) error {
	return writeJSON(w, answerProblem, hdf5.ProblemOf(err))
}

// readAnswer reads an answer. Bytes go to dst, which they must fill; JSON is decoded into v. An answer of a kind that
// was not asked for is an error, and so is a problem, which is told apart by its code.
func readAnswer(r io.Reader, dst []byte, v any) error {
	limit := 1 + max(len(dst), 64<<10) // a problem is short
	if v != nil {
		limit = maxAnswer
	}
	n, err := frameSize(r, limit)
	if err != nil {
		return err
	}
	var k [1]byte
	if _, err := io.ReadFull(r, k[:]); err != nil {
		return err
	}
	n--
	if kind(k[0]) == answerBytes && v == nil && n == len(dst) {
		_, err := io.ReadFull(r, dst)
		return err
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	switch {
	case kind(k[0]) == answerJSON && v != nil:
		return json.Unmarshal(body, v)
	case kind(k[0]) == answerProblem:
		var p hdf5.Problem
		if err := json.Unmarshal(body, &p); err != nil {
			return err
		}
		return p.Err()
	}
	return errors.New("an answer is of another kind than was asked for")
}
