package strictyaml

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type inner struct {
	Name string `yaml:"name" check:"required"`
	Size int    `yaml:"size"`
}

type loud string

func (l *loud) DecodeYAML(n *Node, p *Problems) {
	if n.Kind != String {
		p.Add(n, "loud wants text")
		return
	}
	*l = loud(n.Text + "!")
}

type all struct {
	Text     string         `yaml:"text"`
	Scalar   string         `yaml:"scalar" check:"scalar"`
	Kind     string         `yaml:"kind" check:"oneof=prefix|suffix|regex"`
	Bool     bool           `yaml:"bool"`
	Int      int64          `yaml:"int"`
	Bounded  int            `yaml:"bounded" check:"min=1,max=30"`
	AtLeast  int            `yaml:"at_least" check:"min=1"`
	AtMost   float64        `yaml:"at_most" check:"max=2.5"`
	NonZero  float64        `yaml:"nonzero" check:"nonzero"`
	Float    float64        `yaml:"float"`
	Duration time.Duration  `yaml:"duration"`
	Maybe    *time.Duration `yaml:"maybe"`
	Number   *int64         `yaml:"number"`
	List     []string       `yaml:"list"`
	OneOrAll []string       `yaml:"one_or_all" check:"list"`
	Map      map[string]any `yaml:"map"`
	Inner    inner          `yaml:"inner"`
	Pointer  *inner         `yaml:"pointer"`
	Any      any            `yaml:"any"`
	Loud     loud           `yaml:"loud"`
	Hidden   string         `yaml:"-"`
}

type withEmbedded struct {
	Base
	Own string `yaml:"own"`
}

// Base is embedded.
type Base struct {
	Timestring string `yaml:"timestring" check:"required" doc:"form of dates"`
}

func decode(t *testing.T, text string, into any, how DecodeOptions) (map[string]bool, *Problems) {
	t.Helper()
	p := &Problems{File: "f.yml"}
	env := func(name string) (string, bool) {
		return map[string]string{"SECRET": "s3cr3t", "N": "7"}[name], name != "X"
	}
	n := Parse([]byte(text), Options{Env: env, Embedded: true}, p)
	require.NoError(t, p.Err(), text)
	return Decode(n, into, how, p), p
}

func TestDecode(t *testing.T) {
	hour, seven := time.Hour, int64(7)
	for _, c := range []struct {
		text string
		want all
	}{
		{"text: abc", all{Text: "abc"}},
		{"text: '017'", all{Text: "017"}},
		{"scalar: 2017.01", all{Scalar: "2017.01"}}, // D26: the text as written
		{"scalar: 2017-01-02", all{Scalar: "2017-01-02"}},
		{"scalar: 0010", all{Scalar: "0010"}},
		{"kind: suffix", all{Kind: "suffix"}},
		{"bool: yes", all{Bool: true}},
		{"bool: 'True'", all{Bool: true}},
		{"bool: '1'", all{Bool: true}},
		{"bool: Enable", all{Bool: true}},
		{"int: 12", all{Int: 12}},
		{"int: '12'", all{Int: 12}},
		{"int: ' -1_000 '", all{Int: -1000}},
		{"int: 3.7", all{Int: 3}},
		{"int: -3.7", all{Int: -3}},
		{"int: true", all{Int: 1}},
		{"int: 017", all{Int: 15}},
		{"int: '017'", all{Int: 17}},
		{"int: '+5'", all{Int: 5}},
		{"int: ${N}", all{Int: 7}},
		{"bounded: 1", all{Bounded: 1}},
		{"bounded: 30", all{Bounded: 30}},
		{"at_most: 2.5", all{AtMost: 2.5}},
		{"nonzero: -1", all{NonZero: -1}},
		{"float: 3", all{Float: 3}},
		{"float: '1.5e3'", all{Float: 1500}},
		{"float: 1e3", all{Float: 1000}}, // a text to YAML, a number to Python's float()
		{"duration: 30m", all{Duration: 30 * time.Minute}},
		{"duration: 90s", all{Duration: 90 * time.Second}},
		{"maybe: 1h", all{Maybe: &hour}},
		{"maybe: ~", all{}},
		{"number: 7", all{Number: &seven}},
		{"list: [a, 1, yes, 2017.10]", all{List: []string{"a", "1", "yes", "2017.10"}}},
		{"list: []", all{List: []string{}}},
		{"one_or_all: a", all{OneOrAll: []string{"a"}}},
		{"one_or_all: [a, b]", all{OneOrAll: []string{"a", "b"}}},
		{"map: {a.b: 017, c: {d: on}}", all{Map: map[string]any{"a.b": int64(15), "c": map[string]any{"d": true}}}},
		{"inner: {name: x, size: 3}", all{Inner: inner{"x", 3}}},
		{"pointer: {name: x}", all{Pointer: &inner{Name: "x"}}},
		{"any: [1, a]", all{Any: []any{int64(1), "a"}}},
		{"any: ~", all{}},
		{"loud: a", all{Loud: "a!"}},
		{"{}", all{}},
	} {
		var got all
		_, p := decode(t, c.text, &got, DecodeOptions{Subject: "option"})
		require.NoError(t, p.Err(), c.text)
		require.Equal(t, c.want, got, c.text)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"text: 17", `f.yml:1:7: text: expected text (put it in quotes), got a number`},
		{"text: yes", `text: expected text (put it in quotes), got a boolean`},
		{"text: 2017.01", `text: expected text (put it in quotes), got a number`},
		{"text: 2017-01-02", `text: expected text (put it in quotes), got a date`},
		{"text: [a]", `text: expected text (put it in quotes), got a list`},
		{"text: ~", `text: expected text (put it in quotes), got nothing`},
		{"text: {a: b}", `f.yml:1:7: text: expected text (put it in quotes), got a map`},
		{"scalar: yes", `scalar: expected text (put it in quotes), got a boolean`},
		{"kind: sufix", `f.yml:1:7: kind: "sufix" is not one of prefix, suffix, regex; did you mean suffix?`},
		{"kind: Prefix", `kind: "Prefix" is not one of prefix, suffix, regex; did you mean prefix?`},
		{"bool: 1", `bool: expected a boolean (true or false), got a number (1)`},
		{"bool: maybe", `bool: expected a boolean (true or false), got the text "maybe"`},
		{"bool: [true]", `bool: expected a boolean (true or false), got a list`},
		{"int: twelve", `int: expected a whole number, got the text "twelve"`},
		{"int: '1__0'", `int: expected a whole number, got the text "1__0"`},
		{"int: '3.7'", `int: expected a whole number, got the text "3.7"`},
		{"int: ''", `int: expected a whole number, got the text ""`},
		{"int: .inf", `int: expected a whole number, got a number (.inf)`},
		{"int: 99999999999999999999", `int: expected a whole number, got the text "99999999999999999999"`},
		{"int: 1e20", `int: expected a whole number, got the text "1e20"`},
		{"int: 2017-01-02", `int: expected a whole number, got a date (2017-01-02)`},
		{"bounded: 0", `bounded: 0 is not between 1 and 30`},
		{"bounded: 31", `bounded: 31 is not between 1 and 30`},
		{"at_least: 0", `at_least: 0 is less than 1`},
		{"at_most: 2.6", `at_most: 2.6 is more than 2.5`},
		{"nonzero: 0", `nonzero: must not be zero`},
		{"float: x", `float: expected a number, got the text "x"`},
		{"duration: 14", `duration: invalid duration "14"; write 14d, 12h or 30m`},
		{"duration: '14'", `duration: invalid duration "14"; write 14d, 12h or 30m`},
		{"duration: 30x", `duration: invalid duration "30x"; write 14d, 12h or 30m`},
		{"duration: [1]", `duration: invalid duration: a list; write 14d, 12h or 30m`},
		{"duration: yes", `duration: invalid duration "yes"; write 14d, 12h or 30m`},
		{"duration: -1", `duration: invalid duration "-1"; write 14d, 12h or 30m`},
		{"duration: .inf", `duration: invalid duration ".inf"; write 14d, 12h or 30m`},
		{"duration: 1:30", `duration: invalid duration "1:30"; write 14d, 12h or 30m`},
		{"list: a", `list: expected a list, got text`},
		{"list: {a: b}", `list: expected a list, got a map`},
		{"one_or_all: 3", `one_or_all: expected a list, got a number`},
		{"list: [a, [b]]", `f.yml:1:11: list: expected a list of texts, but an entry is a list`},
		{"list: [a, ~]", `f.yml:1:11: list: expected a list of texts, but an entry is nothing`},
		{"map: [a]", `map: expected a map, got a list`},
		{"map: x", `map: expected a map, got text`},
		{"inner: x", `inner: expected a map, got text`},
		{"inner: {size: 3}", `f.yml:1:8: the key of inner "name" is required`},
		{"inner: {name: x, sice: 3}", `f.yml:1:18: unknown key of inner "sice"; did you mean size?`},
		{"loud: 3", `f.yml:1:7: loud wants text`},
		{"txet: a", `f.yml:1:1: unknown option "txet"; did you mean text?`},
		{"Hidden: a", `unknown option "Hidden"`},
		{"'-': a", `unknown option "-"`},
		{"zzzzzz: a", `f.yml:1:1: unknown option "zzzzzz"`},
		{"- a", `f.yml:1:1: expected a map, got a list`},
		{"a", `f.yml:1:1: expected a map, got text`},
	} {
		got := all{Text: "default"}
		_, p := decode(t, c.text, &got, DecodeOptions{Subject: "option"})
		require.ErrorContains(t, p.Err(), c.want, c.text)
		require.Equal(t, "default", got.Text, "%s: a wrong value leaves the default", c.text)
	}
}

func TestDecodeSaysAllAtOnce(t *testing.T) {
	var got all
	_, p := decode(t, "int: x\nbool: 3\ntxet: a\nkind: z\n", &got, DecodeOptions{Subject: "option"})
	require.EqualError(t, p.Err(), `f.yml:1:6: int: expected a whole number, got the text "x"
f.yml:2:7: bool: expected a boolean (true or false), got a number (3)
f.yml:3:1: unknown option "txet"; did you mean text?
f.yml:4:7: kind: "z" is not one of prefix, suffix, regex`)
}

func TestErrorsNeverShowAVariablesValue(t *testing.T) {
	for _, text := range []string{
		"int: ${SECRET}", "bool: ${SECRET}", "kind: ${SECRET}", "float: 'x${SECRET}'", "duration: ${SECRET}",
		"list: ${SECRET}", "map: ${SECRET}", "inner: ${SECRET}", "list: [['${SECRET}']]", "number: ${SECRET}",
	} {
		var got all
		_, p := decode(t, text, &got, DecodeOptions{Subject: "option"})
		require.Error(t, p.Err(), text)
		require.NotContains(t, p.Err().Error(), "s3cr3t", text)
	}
	var got all
	_, p := decode(t, "int: ${SECRET}", &got, DecodeOptions{Subject: "option"})
	require.ErrorContains(t, p.Err(), "int: expected a whole number, got the text the value of ${SECRET}")
}

// TestProblemsNameVariables: also a check that knows nothing of variables, of the value or of
// one that is made of it, does not show what a variable contains.
func TestProblemsNameVariables(t *testing.T) {
	values := map[string]string{"A": "CANARY", "B": "CANARY and more", "C": `qu"o\te`, "D": "x"}
	for text, want := range map[string]string{
		"${A}": `"${A}" is wrong; not "${A}"`, "'a-${A}-${B}'": `"a-${A}-${B}" is wrong; not "a-${A}-${B}"`,
		"${C}": `"${C}" is wrong; not "${C}"`, "CANARY": `"CANARY" is wrong; not "CANARY"`,
		"${D}": `"x" is wrong; not "x"`, // too short: it occurs in any text
	} {
		p := &Problems{}
		n := Parse([]byte("a: "+text), Options{
			Env: func(name string) (string, bool) { v, set := values[name]; return v, set }, Embedded: true,
		}, p)
		p.AddHint(n, fmt.Sprintf("not %q", n.Get("a").Text), "%q is wrong", n.Get("a").Text)
		p.WarnHint(n, fmt.Sprintf("not %q", n.Get("a").Text), "%q is wrong", n.Get("a").Text)
		require.EqualError(t, p.Err(), want, text)
		require.Equal(t, want, p.SortedWarnings()[0].Error(), text)
	}
}

// TestMisplacedSecretsAreNotShown: a text that may be a secret is not repeated where a map, a
// list or a text is expected, nor where YAML reads it as an anchor or a tag.
func TestMisplacedSecretsAreNotShown(t *testing.T) {
	for text, want := range map[string]string{
		"text: *CANARY":           "f.yml:1:7: invalid YAML: an unknown anchor is referenced",
		"int: 1\né: [x, *CANARY]": "f.yml:2:8: invalid YAML: an unknown anchor is referenced",
		"text: !CANARY x":         "f.yml:1:7: this tag is not supported",
		"text: !CANARY":           "f.yml:1:7: this tag is not supported",
		"text: !<CANARY> x":       "this tag is not supported",
		"text: !!CANARY x":        "this tag is not supported",
		"text: &CANARY [*CANARY]": "the alias contains itself",
		"inner: CANARY":           "inner: expected a map, got text",
		"map: secret_key=CANARY":  "map: expected a map, got text",
		"list: curl -H CANARY":    "list: expected a list, got text",
		"one_or_all: {CANARY: 1}": "one_or_all: expected a list, got a map",
		"text: [CANARY]":          "text: expected text (put it in quotes), got a list",
		"text: 20261130":          "text: expected text (put it in quotes), got a number",
		"list: [[CANARY]]":        "list: expected a list of texts, but an entry is a list",
	} {
		var got all
		root, p := parse(t, text)
		Decode(root, &got, DecodeOptions{Subject: "option"}, p)
		require.ErrorContains(t, p.Err(), want, text)
		require.NotContains(t, p.Err().Error(), "CANARY", text)
		require.NotContains(t, p.Err().Error(), "20261130", text)
	}
}

func TestDecodePrunesAndReportsWhatWasGiven(t *testing.T) {
	for _, c := range []struct {
		text  string
		prune bool
		given map[string]bool
		err   bool
	}{
		{"int: 3\ntext: a", true, map[string]bool{"int": true, "text": true}, false},
		{"int: ~\ntext: None", true, map[string]bool{}, false},
		{"int:\ntext: ${X}", true, map[string]bool{}, false},
		{"text: 'None'", true, map[string]bool{}, false}, // Curator compares the text
		{"text: none", true, map[string]bool{"text": true}, false},
		{"text: None", false, map[string]bool{"text": true}, false},
		{"int: ~", false, map[string]bool{"int": true}, true},
		{"map: {a: ~}", true, map[string]bool{"map": true}, false}, // only the top level is pruned
	} {
		got := all{Int: 5}
		given, p := decode(t, c.text, &got, DecodeOptions{Subject: "option", IgnoreNull: c.prune})
		require.Equal(t, c.err, p.Err() != nil, "%s: %v", c.text, p.Err())
		require.Equal(t, c.given, given, c.text)
		if !given["int"] {
			require.EqualValues(t, 5, got.Int, "the default stays")
		}
	}
}

func TestDecodeRequiredAndAlso(t *testing.T) {
	var got inner
	_, p := decode(t, "size: 3\nname: ~\n", &got, DecodeOptions{Subject: "option of x", Owner: "x", IgnoreNull: true})
	require.EqualError(t, p.Err(), `f.yml:1:1: x: name is required`)

	given, p := decode(t, "name: a\nfiltertype: age\n", &got, DecodeOptions{Subject: "option", ExtraKeys: []string{"filtertype"}})
	require.NoError(t, p.Err())
	require.Equal(t, map[string]bool{"name": true}, given)

	_, p = decode(t, "name: a\nfiltertyp: age\n", &got, DecodeOptions{Subject: "option", ExtraKeys: []string{"filtertype"}})
	require.ErrorContains(t, p.Err(), `did you mean filtertype?`)

	p = &Problems{File: "f.yml"}
	Decode(nil, &got, DecodeOptions{Subject: "option"}, p)
	require.ErrorContains(t, p.Err(), `the option "name" is required`)
}

func TestFieldsOfEmbedded(t *testing.T) {
	var got withEmbedded
	_, p := decode(t, "timestring: '%Y'\nown: x\n", &got, DecodeOptions{Subject: "option"})
	require.NoError(t, p.Err())
	require.Equal(t, withEmbedded{Base{"%Y"}, "x"}, got)
	_, p = decode(t, "own: x\n", &got, DecodeOptions{Subject: "option"})
	require.ErrorContains(t, p.Err(), `"timestring" is required`)
}

func TestAbsent(t *testing.T) {
	var none *Node
	require.True(t, none.Absent())
	for text, want := range map[string]bool{
		"~":      true,
		"":       true,
		"None":   true,
		"'None'": true,
		"none":   false,
		"''":     false,
		"0":      false,
		"[]":     false,
		"false":  false,
	} {
		p := &Problems{}
		require.Equal(t, want, Parse([]byte("k: "+text), Options{}, p).Get("k").Absent(), text)
	}
}

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1h30m": 90 * time.Minute,
		"45d": 45 * 24 * time.Hour, "2w": 14 * 24 * time.Hour, "250ms": 250 * time.Millisecond,
		"0": 0, "0.0": 0, "6mo": 180 * 24 * time.Hour, "1y": 365 * 24 * time.Hour,
		"1.5h": 90 * time.Minute, " 2h ": 2 * time.Hour, "0s": 0, "1d12h": 36 * time.Hour,
	} {
		d, ok := ParseDuration(in)
		require.True(t, ok, in)
		require.Equal(t, want, d, in)
	}
	for _, in := range []string{
		"", " ", "x", "h", "-1", "-1h", "1 h", "1h 30m", "14", "30", "1.5", "1M", "5min",
		"1h30", "inf", "Infinity", "nan", "1e30", "999999999999d", "300000w", "106751d24h", ".h",
	} {
		d, ok := ParseDuration(in)
		require.False(t, ok, "%q gave %s", in, d)
	}
	d, ok := ParseDuration("106751d")
	require.True(t, ok)
	require.Positive(t, d)
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"1h30m", "inf", "1e300", "9999999w", "-1", "1.5d", "106751d23h47m16.9s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, ok := ParseDuration(s); ok {
			require.GreaterOrEqual(t, d, time.Duration(0), s)
			require.LessOrEqual(t, d, time.Duration(math.MaxInt64), s)
		}
	})
}

func TestWarning(t *testing.T) {
	p := Problem{File: "f.yml", Line: 3, Col: 5, Text: "a: b", Hint: "did you mean c?"}
	require.Equal(t, "f.yml:3:5: a: b; did you mean c?", p.Error())
	require.Equal(t, "f.yml:3:5: warning: a: b; did you mean c?", p.Warning())
	require.Equal(t, "warning: a: b", Problem{Text: "a: b"}.Warning())
}

// TestDecodeOwn: what Curator's options take as Python does, esnap's own do not.
func TestDecodeOwn(t *testing.T) {
	for text, want := range map[string]string{
		"number: 1.5":                 "number: expected a whole number, got a number (1.5)",
		"int: true":                   "int: expected a whole number, got a boolean (true)",
		"inner: {name: a, size: 1.5}": "size: expected a whole number",
		"list: [a, '']":               "list: an entry of the list is empty",
		"one_or_all: ''":              "one_or_all: an entry of the list is empty",
		"number: '3'":                 "",
		"int: 2.0":                    "",
	} {
		for _, own := range []bool{true, false} {
			var got all
			_, p := decode(t, text, &got, DecodeOptions{Subject: "option", Own: own})
			if own && want != "" {
				require.ErrorContains(t, p.Err(), want, text)
			} else {
				require.NoError(t, p.Err(), text)
			}
		}
	}
}

// TestAddressesInErrors: the path of an address may be a token, and who asks a password.
func TestAddressesInErrors(t *testing.T) {
	for text, want := range map[string]string{
		"int: https://hc.example/CANARY":       `got the text "https://hc.example/…"`,
		"int: https://u:CANARY@hc.example/":    `got the text "https://hc.example/"`,
		"inner: {'https://hc.example/CANARY'}": `unknown key of inner "https://hc.example/…"`,
		"bounded: 'x https://h?t=CANARY y'":    `got the text "x https://h/… y"`,
	} {
		var got all
		_, p := decode(t, text, &got, DecodeOptions{Subject: "option"})
		require.ErrorContains(t, p.Err(), want, text)
		require.NotContains(t, p.Err().Error(), "CANARY", text)
	}
}
