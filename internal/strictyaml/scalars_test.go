package strictyaml

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// scalars are texts and what PyYAML makes of them.
var scalars = []struct {
	text  string
	kind  Kind
	value any // a Date's and a Null's is not compared
}{
	{"yes", Bool, true}, {"Yes", Bool, true}, {"YES", Bool, true},
	{"on", Bool, true}, {"On", Bool, true}, {"true", Bool, true}, {"TRUE", Bool, true},
	{"no", Bool, false}, {"No", Bool, false}, {"off", Bool, false}, {"OFF", Bool, false}, {"False", Bool, false},
	{"y", String, "y"}, {"n", String, "n"}, {"Y", String, "Y"}, {"yEs", String, "yEs"}, {"oN", String, "oN"}, {"enable", String, "enable"},
	{"~", Null, nil}, {"null", Null, nil}, {"Null", Null, nil}, {"NULL", Null, nil},
	{"nULL", String, "nULL"}, {"None", String, "None"}, {"", Null, nil},
	{"0", Int, int64(0)}, {"7", Int, int64(7)}, {"-7", Int, int64(-7)},
	{"+7", Int, int64(7)}, {"1_000", Int, int64(1000)}, {"-1_000", Int, int64(-1000)},
	{"017", Int, int64(15)}, {"-017", Int, int64(-15)}, {"0o17", String, "0o17"}, {"00", Int, int64(0)}, {"0_1", Int, int64(1)},
	{"08", String, "08"}, {"09", String, "09"}, {"0x1F", Int, int64(31)}, {"-0x1f", Int, int64(-31)},
	{"0X1F", String, "0X1F"}, {"0b101", Int, int64(5)}, {"0b12", String, "0b12"}, {"-0b1", Int, int64(-1)},
	{"1:30", Int, int64(90)}, {"-1:30", Int, int64(-90)}, {"1:30:15", Int, int64(5415)}, {"1:60", String, "1:60"},
	{"0:30", String, "0:30"}, {"01:30", String, "01:30"}, {"190:20:30", Int, int64(685230)}, {"1:3", Int, int64(63)},
	{"1:30.5", Float, 90.5}, {"1:5.", Float, 65.0},
	{"1e3", String, "1e3"}, {"1.5e3", String, "1.5e3"}, {"1.5e+3", Float, 1500.0},
	{"1.5E-3", Float, 0.0015}, {"1e+3", String, "1e+3"}, {".5e+1", Float, 5.0},
	{"2017.01", Float, 2017.01}, {"1.", Float, 1.0}, {".5", Float, 0.5}, {"-.5", String, "-.5"},
	{"+1.5", Float, 1.5}, {"-1.5", Float, -1.5}, {"1_000.5", Float, 1000.5}, {".", String, "."}, {"1.2.3", String, "1.2.3"},
	{"2017.01.02", String, "2017.01.02"}, {"6.7.0", String, "6.7.0"},
	{".inf", Float, math.Inf(1)}, {"-.inf", Float, math.Inf(-1)}, {"+.Inf", Float, math.Inf(1)},
	{".INF", Float, math.Inf(1)}, {"inf", String, "inf"}, {"nan", String, "nan"},
	{"2017-01-02", Date, nil}, {"2017-1-2", String, "2017-1-2"}, {"2017-01-02T03:04:05Z", Date, nil},
	{"2017-1-2 3:04:05", Date, nil}, {"2017-01-02 03:04:05.5 +01:00", Date, nil}, {"2017-01-02 03:04:05 -5", Date, nil},
	{"2017-01", String, "2017-01"}, {"2017-01-02 03:04", String, "2017-01-02 03:04"},
	{"2017-01-02 03:04:05 +0100", String, "2017-01-02 03:04:05 +0100"},
	{"30d", String, "30d"}, {"10gb", String, "10gb"}, {"a b", String, "a b"}, {"-1d", String, "-1d"}, {"_1", String, "_1"},
	{`"yes"`, String, "yes"}, {`'1:30'`, String, "1:30"}, {`"017"`, String, "017"}, {`'~'`, String, "~"},
	{`""`, String, ""}, {`"2017-01-02"`, String, "2017-01-02"}, {`"1e3"`, String, "1e3"}, {`'null'`, String, "null"},
	{"|\n  yes", String, "yes\n"}, {">-\n  17", String, "17"},
	{"!!str 17", String, "17"}, {"!!str yes", String, "yes"}, {"!!int 017", Int, int64(15)},
}

func TestScalarsAreYAML11(t *testing.T) {
	for _, c := range scalars {
		p := &Problems{File: "f.yml"}
		n := Parse([]byte("k: "+c.text+"\n"), Options{}, p).Get("k")
		require.NoError(t, p.Err(), c.text)
		require.Equal(t, c.kind, n.Kind, c.text)
		if c.kind != Date {
			require.Equal(t, c.value, n.Value, c.text)
		}
		require.Equal(t, 1, n.Line, c.text)
	}
	p := &Problems{}
	n := Parse([]byte("k: .nan"), Options{}, p).Get("k")
	require.True(t, math.IsNaN(n.Value.(float64)))
}

//go:embed testdata/scalars.py
var scalarsPy string

// The table above is compared with PyYAML itself where there is one.
func TestScalarTableIsPyYAMLs(t *testing.T) {
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not on PATH: the table of scalars is not compared with PyYAML")
	}
	if exec.Command(path, "-c", "import yaml").Run() != nil {
		t.Skip("python3 has no module yaml: the table of scalars is not compared with PyYAML")
	}
	var texts []string
	for _, c := range scalars {
		texts = append(texts, c.text)
	}
	in, err := json.Marshal(texts)
	require.NoError(t, err)
	cmd := exec.Command(path, "-c", scalarsPy)
	cmd.Stdin = bytes.NewReader(in)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	var theirs []struct{ Kind, Value string }
	require.NoError(t, json.Unmarshal(out, &theirs))
	require.Len(t, theirs, len(texts))
	names := map[Kind]string{Null: "null", Bool: "bool", Int: "int", Float: "float", String: "string", Date: "date"}
	for i, c := range scalars {
		want := theirs[i]
		require.Equal(t, want.Kind, names[c.kind], c.text)
		switch c.kind {
		case Bool:
			require.Equal(t, strings.ToLower(want.Value), fmt.Sprint(c.value), c.text)
		case Int, String:
			require.Equal(t, want.Value, fmt.Sprint(c.value), c.text)
		case Float:
			f, err := strconv.ParseFloat(want.Value, 64)
			require.NoError(t, err)
			require.Equal(t, f, c.value, c.text)
		}
	}
}

// Scalars are resolved in lists and pass-through maps as well.
func TestInterfaceKeepsYAML11(t *testing.T) {
	p := &Problems{}
	n := Parse([]byte("a: [yes, 017, 1:30, ~, 1e3, 'on']\nb: {c: {d: 1_0}}\ne: 2017-01-02\n"), Options{}, p)
	require.NoError(t, p.Err())
	require.Equal(t, map[string]any{
		"a": []any{true, int64(15), int64(90), nil, "1e3", "on"},
		"b": map[string]any{"c": map[string]any{"d": int64(10)}},
		"e": "2017-01-02",
	}, n.Interface())
}
