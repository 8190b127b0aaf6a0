package strictyaml

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// parse reads a document without variables.
func parse(t *testing.T, text string) (*Node, *Problems) {
	t.Helper()
	p := &Problems{File: "f.yml"}
	return Parse([]byte(text), Options{}, p), p
}

func TestParsePlaces(t *testing.T) {
	n, p := parse(t, "a: 1\nb:\n  - x\n  - c: 'y'\n")
	require.NoError(t, p.Err())
	at := func(n *Node) string { return fmt.Sprintf("%d:%d", n.Line, n.Col) }
	require.Equal(t, "1:4", at(n.Get("a")))
	require.Equal(t, "3:5", at(n.Get("b").Items[0]))
	require.Equal(t, "4:8", at(n.Get("b").Items[1].Get("c")))
	require.Equal(t, "4:5", at(n.Get("b").Items[1].Entries[0].Key))
	require.True(t, n.Get("b").Items[1].Get("c").Quoted)
	require.False(t, n.Get("b").Items[0].Quoted)
	require.Nil(t, n.Get("z"))
	require.Nil(t, n.Get("z").Get("y"))
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"duplicate key", "a: 1\nb: 2\na: 3\n", `f.yml:3:1: the key "a" is given twice, first in line 1`},
		{"duplicate key, nested", "a:\n  b: 1\n  b: 1\n", `f.yml:3:3: the key "b" is given twice, first in line 2`},
		{"duplicate key in other quotes", "a: 1\n'a': 2\n", `f.yml:2:1: the key "a" is given twice, first in line 1`},
		{"duplicate key in flow style", "m: {a: 1, a: 2}\n", `f.yml:1:11: the key "a" is given twice, first in line 1`},
		{"second document", "a: 1\n---\nb: 2\n", "f.yml:2:1: a second document starts here; a file must contain only one document"},
		{"second document, empty", "a: 1\n---\n", "f.yml:2:1: a second document starts here; a file must contain only one document"},
		{"second document, broken", "a: 1\n---\nb: [\n", "f.yml:3:1: invalid YAML"},
		{"tab", "a:\n\tb: 1\n", "f.yml:2:1: invalid YAML: found character that cannot start any token"},
		{"open list", "x: 1\na: [1, 2\n", "invalid YAML: did not find expected ',' or ']'"},
		{"variable in flow style", "x: 1\na: {b: ${X}}\n", "invalid YAML: did not find expected ',' or '}'"},
		{"unknown alias", "a: *nowhere\n", "f.yml:1:4: invalid YAML: an unknown anchor is referenced; a text that begins with @, *"},
		{"alias of itself", "a: &x\n  b: *x\n", "f.yml:2:6: the alias contains itself"},
		{"alias of itself, in a list", "a: &x [1, [*x]]\n", "f.yml:1:12: the alias contains itself"},
		{"merge of itself", "a: &x\n  <<: *x\n", "f.yml:2:7: the alias contains itself"},
		{"unknown tag", "a: !python/object:os.system x\n", "f.yml:1:4: this tag is not supported"},
		{"binary", "a: !!binary aGk=\n", "f.yml:1:4: this tag is not supported"},
		{"list as key", "? [a, b]\n: c\n", "f.yml:1:3: a key must be a single value"},
		{"merge of a number", "a: {<<: 3}\n", "f.yml:1:9: << takes a map or a list of maps, not a number"},
		{"merge of a list of texts", "a:\n  <<: [b]\n", "f.yml:2:8: << takes a map or a list of maps, not text"},
		{"control character", "a: \x01\n", "invalid YAML: control characters are not allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, p := parse(t, c.text)
			require.ErrorContains(t, p.Err(), c.want)
		})
	}
}

func TestParseAccepts(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       any
	}{
		{"nothing", "", nil},
		{"a comment", "# nothing\n", nil},
		{"a start alone", "---\n", nil},
		{"byte order mark", "\xef\xbb\xbfa: 1\n", map[string]any{"a": int64(1)}},
		{"start and end of the document", "---\na: 1\n...\n", map[string]any{"a": int64(1)}},
		{
			"same key in two maps",
			"a: {x: 1}\nb: {x: 2}\n",
			map[string]any{"a": map[string]any{"x": int64(1)}, "b": map[string]any{"x": int64(2)}},
		},
		{"alias used twice", "a: &x [1]\nb: *x\nc: *x\n", map[string]any{"a": []any{int64(1)}, "b": []any{int64(1)}, "c": []any{int64(1)}}},
		{"windows line ends", "a: 1\r\nb: 2\r\n", map[string]any{"a": int64(1), "b": int64(2)}},
		{"alias as key", "a: &k x\n*k : 1\n", map[string]any{"a": "x", "x": int64(1)}},
		{
			"merge",
			"d: &d {x: 1, y: 2}\na:\n  <<: *d\n  y: 3\n",
			map[string]any{"d": map[string]any{"x": int64(1), "y": int64(2)}, "a": map[string]any{"x": int64(1), "y": int64(3)}},
		},
		{"merge after the key", "a:\n  y: 3\n  <<: {x: 1, y: 2}\n", map[string]any{"a": map[string]any{"x": int64(1), "y": int64(3)}}},
		{
			"merge of several: the first wins",
			"a:\n  <<: [{x: 1}, {x: 2, y: 2}]\n",
			map[string]any{"a": map[string]any{"x": int64(1), "y": int64(2)}},
		},
		{"quoted << is a key", "a: {'<<': 3}\n", map[string]any{"a": map[string]any{"<<": int64(3)}}},
		{"merge within a merge", "x: &x {a: 1}\ny: &y {<<: *x, b: 2}\nz: {<<: *y}\n", map[string]any{
			"x": map[string]any{"a": int64(1)}, "y": map[string]any{"a": int64(1), "b": int64(2)},
			"z": map[string]any{"a": int64(1), "b": int64(2)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, p := parse(t, c.text)
			require.NoError(t, p.Err())
			require.Equal(t, c.want, n.Interface())
		})
	}
}

func TestDuplicateKeyMayOnlyWarn(t *testing.T) {
	p := &Problems{File: "client.yml"}
	n := Parse([]byte("a: 1\nb: 2\na: 3\n"), Options{LastWins: true}, p)
	require.NoError(t, p.Err())
	require.Equal(t, map[string]any{"a": int64(3), "b": int64(2)}, n.Interface())
	require.Len(t, p.Warnings, 1)
	require.Equal(t, `client.yml:3:1: the key "a" is given twice, first in line 1; the last one counts`, p.Warnings[0].Error())
}

// An alias bomb stays small and is an error; what is merely large is not.
func TestAliasesAreBounded(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 9; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), i-1)
	}
	n, p := parse(t, bomb.String())
	require.Nil(t, n)
	require.ErrorContains(t, p.Err(), "more than 10000 values after its aliases are expanded")

	n, p = parse(t, "l:\n"+strings.Repeat("- x\n", 9000))
	require.NoError(t, p.Err())
	require.Len(t, n.Get("l").Items, 9000)

	n, p = parse(t, "l:\n"+strings.Repeat("- x\n", 10000))
	require.Nil(t, n)
	require.Error(t, p.Err())
}

func TestEnv(t *testing.T) {
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"A": "alpha", "EMPTY": "", "N": "45", "YES": "yes", "REF": "${A}", "SECRET": "s3cr3t"}[name]
		return v, ok
	}
	unset := "the environment variable X is not set"
	for _, c := range []struct {
		text     string
		plain    any    // as Curator: whole unquoted scalars only
		embedded any    // as esnap run
		failed   string // embedded: the error
	}{
		{`${A}`, "alpha", "alpha", ""},
		{`${N}`, "45", "45", ""},
		{`${YES}`, "yes", "yes", ""},
		{`${EMPTY}`, "", "", ""},
		{`${REF}`, "${A}", "${A}", ""}, // no recursion
		{`${X}`, nil, nil, ""},
		{`${X:def}`, "def", "def", ""},
		{`${X:}`, "", "", ""},
		{`${A:def}`, "alpha", "alpha", ""},
		{`${EMPTY:def}`, "", "", ""},
		{`${X:http://h:9200/p}`, "http://h:9200/p", "http://h:9200/p", ""}, // D18
		{`${X:12}`, "12", "12", ""},
		{`pre-${A}`, "pre-${A}", "pre-alpha", ""},
		{`${A}-${N}`, "${A}-${N}", "alpha-45", ""},
		{`"${A}"`, "${A}", "alpha", ""},
		{`'${A}'`, "${A}", "alpha", ""},
		{`"a ${X:b:c} d"`, "a ${X:b:c} d", "a b:c d", ""},
		{`"${X:}"`, "${X:}", "", ""},
		{`"${X}"`, "${X}", "", unset},
		{`pre-${X}`, "pre-${X}", "pre-", unset},
		{`$${A}`, "$${A}", "${A}", ""},
		{`"$${A} ${A}"`, "$${A} ${A}", "${A} alpha", ""},
		{`$A`, "$A", "$A", ""},
		{`"a ${A"`, "a ${A", "a ${A", ""},
		{`"$${"`, "$${", "${", ""},
		{"|\n  ${A}", "${A}\n", "alpha\n", ""},
		{`[x, "${A}"]`, []any{"x", "${A}"}, []any{"x", "alpha"}, ""},
		{`12`, int64(12), int64(12), ""},
	} {
		for _, embedded := range []bool{false, true} {
			p := &Problems{File: "f.yml"}
			n := Parse([]byte("k: "+c.text+"\n"), Options{Env: env, Embedded: embedded}, p).Get("k")
			want := c.plain
			if embedded {
				want = c.embedded
			}
			require.Equal(t, want, n.Interface(), "%s, embedded %v", c.text, embedded)
			if embedded && c.failed != "" {
				require.ErrorContains(t, p.Err(), "f.yml:1:4: "+c.failed, c.text)
				continue
			}
			require.NoError(t, p.Err(), "%s, embedded %v", c.text, embedded)
		}
	}
	n := Parse([]byte("k: ${A}"), Options{}, &Problems{}).Get("k")
	require.Equal(t, "${A}", n.Value, "without Env nothing is substituted")
}

func TestEnvSpares(t *testing.T) {
	env := func(string) (string, bool) { return "v", true }
	literal := func(key string, in *Node) bool {
		return key == "script" || key == "value" && in.Get("kind").Text == "regex"
	}
	p := &Problems{}
	n := Parse([]byte("script: 'a ${X}'\nf: {kind: regex, value: 'x${X}'}\ng: {kind: prefix, value: 'x${X}'}\n'${X}': 1\n"+
		"list: {script: ['${X}']}\nwhole: {script: 1}\n"), Options{Env: env, Embedded: true, Literal: literal}, p)
	require.NoError(t, p.Err())
	require.Equal(t, map[string]any{
		"script": "a ${X}", "f": map[string]any{"kind": "regex", "value": "x${X}"},
		"g": map[string]any{"kind": "prefix", "value": "xv"}, "${X}": int64(1),
		"list": map[string]any{"script": []any{"${X}"}}, "whole": map[string]any{"script": int64(1)},
	}, n.Interface())
}

// A value is substituted once for every use of its alias, and once only.
func TestEnvInAliases(t *testing.T) {
	p := &Problems{}
	n := Parse([]byte("d: &d {x: 'a${V}'}\na: *d\nb: {<<: *d}\n"), Options{
		Env:      func(string) (string, bool) { return "$${V}", true },
		Embedded: true,
	}, p)
	require.NoError(t, p.Err())
	for _, k := range []string{"d", "a", "b"} {
		require.Equal(t, "a$${V}", n.Get(k).Get("x").Text, k)
	}
}

func TestProblemsAreSortedAndOnce(t *testing.T) {
	p := &Problems{File: "f"}
	p.Add(&Node{Line: 3, Col: 1}, "c")
	p.AddHint(&Node{Line: 1, Col: 2}, "did you mean x?", "a")
	p.Add(&Node{Line: 1, Col: 9}, "b")
	p.Add(&Node{Line: 3, Col: 1}, "c")
	p.Add(nil, "whole")
	require.EqualError(t, p.Err(), "f: whole\nf:1:2: a; did you mean x?\nf:1:9: b\nf:3:1: c")
	require.NoError(t, (&Problems{}).Err())
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"a: 1\nb: [x, {y: ${Z}}]\n", "a: &x {b: *x}", "<<: {a: 1}\n", "? [a]\n: b",
		"a: 1\n---\nb", "- 1:30\n- 0b\n- 0_\n- .inf\n- 2017-01-02\n", "a: '${V:$${V}}'",
		"a: !!int 08", "\xef\xbb\xbf- ${V}", "a: &a [*a]", "%YAML 1.1\n--- a",
		"&a : *a", "a: \"\\U00110000\"", "*a", "a: 1:99999999999999999999:1\n", "-_: +",
	} {
		f.Add(s, true, false)
		f.Add(s, false, true)
	}
	f.Fuzz(func(t *testing.T, text string, embedded, lastWins bool) {
		p := &Problems{File: "f"}
		n := Parse([]byte(text), Options{
			Env:      func(name string) (string, bool) { return "value", name == "V" },
			Embedded: embedded,
			LastWins: lastWins,
		}, p)
		err := p.Err()
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		require.NotNil(t, n)
		use(t, n)
	})
}

// use walks a node in every way there is.
func use(t *testing.T, n *Node) {
	_ = n.Interface()
	require.NotEmpty(t, n.Shown())
	require.NotEmpty(t, describe(n))
	AsBool(n)
	AsInt(n)
	AsFloat(n)
	require.Positive(t, n.Line)
	require.Positive(t, n.Col)
	for _, e := range n.Entries {
		require.NotNil(t, n.Get(e.Key.Text))
		use(t, e.Value)
	}
	for _, it := range n.Items {
		use(t, it)
	}
	switch n.Kind {
	case Bool:
		require.IsType(t, true, n.Value)
	case Int:
		require.IsType(t, int64(0), n.Value)
	case Float:
		require.IsType(t, 0.5, n.Value)
	case String, Date:
		require.Equal(t, n.Text, n.Value)
	default:
		require.Nil(t, n.Value)
	}
}

// A default as shells write it belongs to the value with its hyphen: an error where
// esnap reads the file in its own way, a warning where it reads it as Curator.
func TestDefaultsAsShellsWriteThem(t *testing.T) {
	env := func(name string) (string, bool) { return "30", name == "SET" }
	for text, hint := range map[string]string{
		"${DAYS:-7}": "write ${DAYS:7}", "${SET:-7}": "write ${SET:7}",
		"${PW:-s3cr3t}": "write ${PW:default}", "${DAYS:-}": "write ${DAYS:default}",
		"${DAYS:7}": "", "${DAYS: -7}": "", "${DAYS:x-7}": "", "${DAYS-7}": "", "${SET}": "", "${DAYS:7-}": "",
	} {
		for _, embedded := range []bool{true, false} {
			p := &Problems{File: "f.yml"}
			Parse([]byte("a: b\nk: >-\n  x\nv: "+text+"\n"), Options{Env: env, Embedded: embedded}, p)
			if strings.Contains(text, ": ") { // a map, if it is not in quotes
				p = &Problems{File: "f.yml"}
				Parse([]byte("v: '"+text+"'\n"), Options{Env: env, Embedded: embedded}, p)
			}
			require.Equal(t, embedded && hint != "", p.Err() != nil, text)
			require.Equal(t, !embedded && hint != "", len(p.Warnings) > 0, text)
			if hint == "" {
				continue
			}
			said := append(p.List, p.Warnings...)
			require.Len(t, said, 1)
			require.Equal(t, hint, said[0].Hint)
			require.Equal(t, !embedded, said[0].Tolerated, "a run shows it, too")
			require.Equal(t, []int{4, 4}, []int{said[0].Line, said[0].Col})
			require.NotContains(t, said[0].Error(), "s3cr3t")
		}
	}
	p := &Problems{}
	Parse([]byte("v: 'a-${DAYS:-7}'\n"), Options{Env: env, Embedded: true}, p)
	require.ErrorContains(t, p.Err(), "write ${DAYS:7}", "inside longer text, too")
}
