package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"partita/planner/diag"
)

func numbers(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func tensor(name string, bytes int) Tensor {
	return Tensor{TensorSpec: TensorSpec{Name: name, DType: "uint8", Shape: []int64{int64(bytes)}}, Data: numbers(bytes)}
}

// messages are one of each kind and some that try the edges: no tensors, empty data, an object, names to escape.
func messages() []any {
	object := &Object{Bucket: "b", Key: "runs/x/1/p0/s0/0", Bytes: 12}
	stored := Tensor{TensorSpec: TensorSpec{Name: "stored", DType: "float32", Shape: []int64{1, 3}}, Object: object}
	odd := tensor("a\"b\\c<d>\u2028\n", 5)
	noShape := Tensor{TensorSpec: TensorSpec{Name: "scalar", DType: "float32"}, Data: []byte{1, 2, 3, 4}}
	return []any{
		&StageEvent{Format: EventFormat, Kind: "wake", Request: "r"},
		&StageEvent{Format: EventFormat, Kind: "run", Request: `"tensors":null`, TransportOut: S3, Bucket: "b", KeyPrefix: "k/",
			Tensors: []Tensor{tensor("one", 3), tensor("big", 100_000), stored, odd, noShape}},
		&StageEvent{Format: EventFormat, KeyPrefix: strings.Repeat("long", 1000), Tensors: []Tensor{tensor("one", 700)}},
		&StageReply{Format: ReplyFormat},
		&StageReply{Format: ReplyFormat, Environment: "e", Cold: true, Times: PhaseTimes{1, 2, 3, 4}, Tensors: []Tensor{tensor("x", 9_001), stored}},
		&GatewayEvent{Format: EventFormat},
		&GatewayEvent{Format: EventFormat, Inputs: []Input{}},
		&GatewayEvent{Format: EventFormat, Request: `"inputs":null`, Preprocess: "tf", Top: 3, Inputs: []Input{
			{}, {Name: "n"}, {Data: numbers(2000)}, {ContentType: TypeNPY, Data: numbers(10)}, {Object: object}, {Data: numbers(1), Object: object}}},
		&GatewayReply{Format: ReplyFormat},
		&GatewayReply{Format: ReplyFormat, Outputs: []Tensor{tensor("y", 4000), stored}, Top: [][]Class{{{3, 0.5}, {1, 0.25}}},
			Trace: Trace{Request: `x"outputs":null`, LatencyUs: 5, Stages: []StageTrace{{Index: 1, PhaseTimes: PhaseTimes{ComputeUs: 7}, WakeUs: 8}}}},
	}
}

func TestMarshalIsExactlyEncodingJSON(t *testing.T) {
	for i, m := range messages() {
		want, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Marshal(m)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("message %d: %v\n got %.300s\nwant %.300s", i, err, got, want)
		}
		byValue, err := Marshal(reflect.ValueOf(m).Elem().Interface())
		if err != nil || !bytes.Equal(byValue, want) {
			t.Errorf("message %d by value differs: %v", i, err)
		}
		back := reflect.New(reflect.TypeOf(m).Elem()).Interface()
		reference := reflect.New(reflect.TypeOf(m).Elem()).Interface()
		if err := json.Unmarshal(want, reference); err != nil {
			t.Fatal(err)
		}
		if err := Unmarshal(got, back); err != nil || !reflect.DeepEqual(back, reference) {
			t.Errorf("message %d does not come back: %v", i, err)
		}
	}
}

func TestUnmarshalTakesAnyFormOfJSON(t *testing.T) {
	big := numbers(3000)
	text := base64.StdEncoding.EncodeToString(big)
	for _, form := range []string{
		`{"format":"partita.event/1","tensors":[{"name":"x","data":"%s"}]}`,
		"\n{ \"tensors\" : [ { \"data\"\t: \n\"%s\" , \"name\":\"x\"} ],\r\n\"format\":\"partita.event/1\" }\n",
		`{"format":"partita.event/1","unknown":{"data":"%[1]s"},"tensors":[{"name":"x","data":"AAAA","data":"%[1]s"}]}`,
		`{"FORMAT":"partita.event/1","Tensors":[{"NAME":"x","Data":"%s"}]}`,
	} {
		data := []byte(fmt.Sprintf(form, text))
		var event StageEvent
		if err := Unmarshal(data, &event); err != nil {
			t.Errorf("%.60s: %v", form, err)
			continue
		}
		if len(event.Tensors) != 1 || event.Tensors[0].Name != "x" || !bytes.Equal(event.Tensors[0].Data, big) {
			t.Errorf("%.60s: other data came out", form)
		}
	}
}

func TestRelayKeepsTheText(t *testing.T) {
	reply := &StageReply{Format: ReplyFormat, Tensors: []Tensor{tensor("small", 5), tensor("big", 50_000)}}
	payload, err := Marshal(reply)
	if err != nil {
		t.Fatal(err)
	}
	var relayed StageReply
	if err := UnmarshalRelay(payload, &relayed); err != nil {
		t.Fatal(err)
	}
	if relayed.Tensors[1].Data != nil || len(relayed.Tensors[1].Encoded) == 0 {
		t.Fatal("the large tensor was decoded")
	}
	if n := relayed.Tensors[1].EncodedBytes(); n != reply.Tensors[1].EncodedBytes() {
		t.Errorf("encoded size %d", n)
	}
	again, err := Marshal(&relayed)
	if err != nil || !bytes.Equal(again, payload) {
		t.Errorf("the relayed message differs: %v", err)
	}
	for i := range relayed.Tensors {
		if err := relayed.Tensors[i].Decode(); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(&relayed, reply) {
		t.Error("the decoded tensors differ")
	}
	broken := Tensor{Encoded: []byte(strings.Repeat("AAA*", 300))}
	if code := diag.CodeOf(broken.Decode()); code != "wire.not-base64" {
		t.Errorf("broken base64 gives %q", code)
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	long := strings.Repeat("A", 4096)
	for _, c := range []struct{ name, data, code string }{
		{"another format", `{"format":"partita.event/2"}`, "wire.unsupported-format"},
		{"no format", `{}`, "wire.unsupported-format"},
		{"no JSON", `{"format"`, "wire.not-a-message"},
		{"an unclosed string", `{"data":"` + long, "wire.not-a-message"},
		{"broken base64", `{"format":"partita.event/1","tensors":[{"data":"` + long + `*"}]}`, "wire.not-a-message"},
		{"line breaks in base64", `{"format":"partita.event/1","tensors":[{"data":"` + long + "\n" + `AAAA"}]}`, "wire.not-a-message"},
		{"too many tensors", `{"format":"partita.event/1","tensors":[{}` + strings.Repeat(",{}", MaxTensors) + `]}`, "wire.too-many-tensors"},
		{"too long", strings.Repeat(" ", MaxMessageBytes+1), "wire.message-too-large"},
	} {
		var event StageEvent
		if code := diag.CodeOf(Unmarshal([]byte(c.data), &event)); code != c.code {
			t.Errorf("%s: code %q, want %q", c.name, code, c.code)
		}
	}
}

// The length of what MarshalReply measures includes the encoding of the tensors, and what it sets is written.
func TestMarshalReplyMeasures(t *testing.T) {
	reply := &StageReply{Format: ReplyFormat, Tensors: []Tensor{tensor("x", 5000)}}
	payload, err := MarshalReply(reply, func() { reply.Times.OutputUs = 4321 })
	if err != nil {
		t.Fatal(err)
	}
	var back StageReply
	if err := Unmarshal(payload, &back); err != nil || back.Times.OutputUs != 4321 || !bytes.Equal(back.Tensors[0].Data, reply.Tensors[0].Data) {
		t.Errorf("%v: %+v", err, back.Times)
	}
}

func FuzzUnmarshalAgainstEncodingJSON(f *testing.F) {
	for _, m := range messages() {
		data, err := Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < 8<<10 {
			f.Add(data)
		}
	}
	long := strings.Repeat("QUJD", 200)
	f.Add([]byte(`{"format":"partita.event/1","tensors":[{"data":"` + long + `"},{"data" : "` + long + `=="}],"data":"` + long + `"}`))
	f.Add([]byte(`{"format":"partita.event/1","tensors":[{"data":"` + long + `\n"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, want StageEvent
		gotErr, wantErr := Unmarshal(data, &got), json.Unmarshal(data, &want)
		if wantErr == nil && (want.Format != EventFormat || len(want.Tensors) > MaxTensors) {
			if gotErr == nil {
				t.Fatal("a message of another format is accepted")
			}
			return
		}
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("Unmarshal: %v, encoding/json: %v", gotErr, wantErr)
		}
		if wantErr != nil {
			return
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("Unmarshal gives %+v, encoding/json %+v", got, want)
		}
		again, err := Marshal(&got)
		reference, _ := json.Marshal(&want)
		if err != nil || !bytes.Equal(again, reference) {
			t.Fatalf("Marshal: %v", err)
		}
		var relayed StageEvent
		if err := UnmarshalRelay(data, &relayed); err != nil {
			t.Fatal(err)
		}
		if text, err := Marshal(&relayed); err != nil || !json.Valid(text) {
			t.Fatalf("a relayed message is not JSON: %v", err)
		}
	})
}

func BenchmarkMarshal(b *testing.B) {
	reply := &StageReply{Format: ReplyFormat, Tensors: []Tensor{tensor("x", 4<<20)}}
	b.SetBytes(4 << 20)
	for b.Loop() {
		if _, err := Marshal(reply); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	payload, err := Marshal(&StageReply{Format: ReplyFormat, Tensors: []Tensor{tensor("x", 4<<20)}})
	if err != nil {
		b.Fatal(err)
	}
	for name, read := range map[string]func([]byte, any) error{"decode": Unmarshal, "relay": UnmarshalRelay, "encoding-json": json.Unmarshal} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(4 << 20)
			for b.Loop() {
				var reply StageReply
				if err := read(payload, &reply); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
