package pyregex

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// texts are what every pattern below is tried on.
var texts = []string{
	"", "a", "ab", "aab", "abab", "aaaa", "x.2", "y", "logs-2024.01.02", "logs-2024.01.02-000001", ".kibana_1",
	"prod1-2026.11.21", "PROD-é", "日本-2024.01.02", "a\nb", "a\n", "a{,}b", "x{2}", "[a]", "a]b", "a-b", "a^b", "_", "tab\there",
	"((a))", "foo#bar", "abcabc", "aAbB", "ks-logstash-log-2026.11.03", "0123456789", "a|b", "\U0001F600x", "٣٤",
}

// patterns are what Python accepts; the translation must accept them too.
var patterns = []string{
	``, `a`, `^a`, `a$`, `^a$`, `^logs-.*$`, `^.*-\d{6}$`, `^(.*)-\d{6}$`, `x.2|y`, `^x.2|y.*$`,
	// look-around
	`^(?!a).*$`, `^(?!logs-|\.).*$`, `(?=a)ab`, `(?<=-)\d{4}`, `(?<!\d)\d{4}(?!\d)`, `a(?=b)`, `(?<=a)b|x`,
	// groups
	`(a)(b)?`, `(?P<x>a)(b)`, `(a)(?P<x>b)`, `(a)(?P<x>b)(a)`, `(?P<first>\w+)-(?P<year>\d{4})`, `(?:a|b)+`, `((a)|(b))+`, `(a|ab)(c|bcd)?`,
	`(a?)*b`, `(a*)*`, `(a*)+`, `(?:a|(b))*`, `(a|b)*?b`, `(a|b)*`, `(a|(b))*x`, `(|a)+`, `(a|)*b`, `(a)|(b)`, `(a)?b`, `()a`, `(?P<längé>a)`,
	// back references
	`(a)\1`, `(?P<x>a|b).*(?P=x)`, `(\w)\1`, `(.)(.)\1\2`, `(.+)\1`, `(a)?\1b`, `(?P<x>.)(?P<y>.)(?P=y)?`,
	`(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)\10?`, `(?P<x>a)(?P=x)`,
	// conditionals
	`(a)?(?(1)b|x)`, `(?P<q>a)?(?(q)b|x)`, `^(\()?a(?(1)\))`, `(\[)?a(?(1)\])`,
	// quantifiers
	`a{2}`, `a{2,}`, `a{,2}`, `a{1,2}`, `a{,}`, `a{2,3}?`, `a{,2}b`, `a*?b`, `a+?`, `a??b`, `(a|b){,3}`, `^a{,1}$`, `(?:ab){,2}`,
	// braces that are text
	`a{`, `a{,`, `a{,}b`, `a\{,}b`, `x\{2\}`, `x{2`, `a{b}`, `a{,b}`, `a{}`, `{`, `a}`, `}`, `{a`,
	// anchors
	`\Aa`, `a\Z`, `b\Z`, `^a\Z`, `a$`, `\bab\b`, `\B\w`, `\Z`, `\A\Z`,
	`(^)*a`, `(?:^)*a`, `(?:$)?`, `^{`, `^{b}`, `^{}`, `a$|b*`, `\^*a`, `[$]*`, `(?x)a^ | b*`,
	// classes
	`[abc]+`, `[^a]`, `[a-c]+`, `[]a]`, `[^]a]`, `[[]`, `[[a]`, `[[a]]`, `[a[]`, `[a\]]`, `[a-z-[aeiou]]`,
	`[\d.]+`, `[\w-]+`, `[-a]`, `[a-]`, `[\-a]`, `[.]`, `[$]`, `[|]`, `[()]`, `[\\]`, `[a^]`, `[\^a]`,
	`[\b]`, `[\t ]`, `[é]`, `[日本]+`, `[\x61-\x63]`, `[\u0061]`, `[\U00000061-c]`, `[{}]`, `[#]`, `[\n]`, `[\s\S]`, `[^\d]+`, `[\D]`, `[+*?]`,
	// escapes
	`\.`, `\-`, `\_`, `\é`, `\/`, `\#`, `\ `, `\"`, `\%`, `\@`, `\{`, `\}`, `\[`, `\]`, `\(`, `\)`,
	`\|`, `\^`, `\$`, `\\`, `\x61`, `\u0061`, `\U00000061`, `\U0001F600`, `\U0000002e`, `\141`,
	`\n`, `\t`, `\d+`, `\D+`, `\s`, `\S+`, `\w+`, `\W`, `\0?a`, `\012`, `\0123?`, `(a)\141`,
	`[\141]`, `[\1a]`, `(a)\1{2}`, `[\_]`, `[\é]`, `[\U0000002d]`, `[a\U0000005d]`, `[\U0000005e]`,
	// flags
	`(?i)A`, `(?i)AB`, `(?s)a.b`, `(?m)^b`, `(?x) a  b # comment`, "(?x) (a) # (comment\n b",
	`(?x)a[#]`, `(?x)[ #(]`, `(?x)a\ b`, `(?x)\#`, `(?x) a {2}`, `(?i:A)b`, `(?-i:a)`,
	`(?i-s:A.)`, `(?is)A.B`, `(?u)\w+`, `(?iu)A`, `(?ms)^b$`, `(?i)(?s)A.B`, `(?#c)(?i)A`, `(?u:a)`,
	// comments
	`a(?#comment)b`, `(?#é)a`, `(?#)a`,
	// atomic, as of Python 3.11, is left to the list of those refused by older ones
	// plus after things that are not quantifiers
	`\++`, `\*+`, `\?+`, `[*]+`, `(a)+`, `}+`,
	// what Curator files contain
	`^(?!.*\.kibana).*$`, `^ks-logstash-log-\d{4}\.\d{2}\.\d{2}$`, `^.*\d{4}\.\d{2}\.\d{2}.*$`,
	`\d{4}\d{2}`, `^(prod1|prod2)-.*$`, `^(?:\.monitoring|\.watcher).*$`,
}

// refused are what Python refuses, so that a file that never worked is not
// suddenly taken for something.
var refused = []string{
	`(`, `)`, `(a`, `a)`, `a)|(b`, `a)(?:b`, `(?:`, `(?=`, `[`, `[a`, `[]`, `[^]`, `*a`, `+`, `?`, `{,3}`, `^*`,
	`^*.*$`, `$+`, `^?a`, `^{2}a`, `^{,2}a`, `^{,}a`, `a|^*b`, `a|*b`, `(*a)`, `x\b*`, `\B+`, `\A*a`, `a\Z?`,
	`(^*)a`, `^(?#c)*a`, `(?x)^ *a`, "(?x)^ #c\n*a", `a**`, `a{2,1}`, `a{2}{3}`, `\`, `a\`, `[a\`, `\q`, `\z`,
	`\G`, `\p{L}`, `\k<x>`, `\c`, `\e`, `[\A]`, `[\Z]`, `[\q]`, `[z-a]`, `[\d-z]`, `[a-\d]`, `[\400]`, `\400`,
	`(?P<x>a)(?P<x>b)`, `(?P=x)`, `(?P<x`, `(?P<>a)`, `(?P<1a>x)`, `(?P<a-b>x)`,
	`(?<x>a)`, `(?'x'a)`, `(?P>x)`, `(?Px)`, `(?q)a`, `(?`, `(?)`, `(?#`, `(?i`, `(?-i)a`,
	`\1`, `(a)\2`, `\10`, `(a)\10`, `(?(1)a|b)`, `(?(x)a|b)`, `(a)(?(1)a|b|c)`, `(?(a`, `\x6`, `\u006`,
	`\U0000006`, `\U00110000`, `(?i)(`, `a(?i)b`, `((?i)a)`, `(?:(?i)a)`, `(?i-i:a)`, `(?-:a)`, `(?-u:a)`, `[\8]`, `\8`,
}

type found struct {
	Match  bool
	Start  int
	Groups []string
}

//go:embed testdata/match.py
var matchPy string

// python runs the patterns over the texts in Python's re; a pattern it refuses has
// a nil list.
func python(t *testing.T, mode string, patterns, texts []string) [][]found {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not on PATH: the translation is not compared with Python's re")
	}
	in, err := json.Marshal(map[string]any{"mode": mode, "patterns": patterns, "texts": texts})
	require.NoError(t, err)
	cmd := exec.Command(path, "-W", "ignore", "-c", matchPy)
	cmd.Stdin = bytes.NewReader(in)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	var list [][]found
	require.NoError(t, json.Unmarshal(out, &list))
	require.Len(t, list, len(patterns))
	return list
}

func TestSameAsPython(t *testing.T) {
	for mode, compile := range map[string]func(string) (*Regexp, error){"search": Compile, "match": CompileAtStart} {
		for i, want := range python(t, mode, patterns, texts) {
			p := patterns[i]
			require.NotNil(t, want, "Python refuses %q", p)
			re, err := compile(p)
			require.NoError(t, err, p)
			for j, text := range texts {
				m, ok, err := re.Search(text)
				require.NoError(t, err)
				got := found{Match: ok}
				if ok {
					got.Start, got.Groups = m.Start, m.Groups
					require.Equal(t, m.Groups[0], text[m.Start:m.End], "%s: %q in %q", mode, p, text)
				}
				require.Equal(t, want[j], got, "%s: %q in %q", mode, p, text)
			}
		}
	}
}

func TestRefusesWhatPythonRefuses(t *testing.T) {
	for _, p := range refused {
		_, err := Compile(p)
		require.Error(t, err, p)
		require.ErrorContains(t, err, "regular expression ", p)
		_, err = CompileAtStart(p)
		require.Error(t, err, p)
	}
	for i, list := range python(t, "search", refused, nil) {
		require.Nil(t, list, "Python takes %q", refused[i])
	}
}

// The column is counted in characters, from 1.
func TestErrorsNameTheColumn(t *testing.T) {
	for p, want := range map[string]string{
		`ab\q`:             `column 3: unknown escape \q`,
		`é\q`:              `column 2: unknown escape \q`,
		`a\`:               `column 2: the pattern ends in a backslash`,
		`ab[c`:             `column 3: the set that starts here has no end`,
		`a++`:              `column 3: possessive quantifiers`,
		`(a){2}+`:          `column 7: possessive quantifiers`,
		`é[a]?+`:           `column 6: possessive quantifiers`,
		`(?P<x>a)(?P<x>b)`: `column 9: there are two groups named "x"`,
		`a(?P=y)`:          `column 2: there is no group named "y"`,
		`(a)\2`:            `column 4: there is no group 2`,
		`a(?(1)b)`:         `column 2: there is no group "1"`,
		`a(?i)b`:           `column 2: flags for the whole expression (?i) must be at its start`,
		`(?P<a-b>x)`:       `column 1: "a-b" is not a valid name for a group`,
		`a[\w-z]`:          `column 3: the range \w-z has no beginning`,
		`(?x:a)`:           `column 1: the flag x is supported for the whole expression only`,
		`a(?P<>y)`:         `column 2: the group has no name`,
		`a(?#b`:            `column 2: the comment that starts here has no end`,
		`a(?<n>b)`:         `column 2: the group (?<n>b is not supported`,
		`a\U12`:            `column 2: \U needs eight hexadecimal digits`,
	} {
		_, err := Compile(p)
		require.ErrorContains(t, err, want, p)
	}
}

func TestGroupsCounts(t *testing.T) {
	for p, want := range map[string]int{
		`a`: 0, `(a)`: 1, `(?:a)`: 0, `(?P<x>a)(b)`: 2, `(?=(a))`: 1, `\(a\)`: 0, `[(]a[)]`: 0, `(a)?(?(1)b|c)`: 1, `(?#(a))b`: -1, `((a)(b))`: 3,
	} {
		re, err := Compile(p)
		if want < 0 {
			require.Error(t, err, p) // a comment ends at the first ), as in Python
			continue
		}
		require.NoError(t, err, p)
		require.Equal(t, want, re.Groups(), p)
	}
}

func TestSearchGivesUp(t *testing.T) {
	re, err := Compile(`^(a+)+$`)
	require.NoError(t, err)
	require.Equal(t, matchTimeout, re.re.MatchTimeout)
	re.re.MatchTimeout = 10 * time.Millisecond
	start := time.Now()
	_, ok, err := re.Search(strings.Repeat("a", 60) + "!")
	require.ErrorContains(t, err, "simplify the regular expression")
	require.False(t, ok)
	require.Less(t, time.Since(start), 20*time.Second)
}

// Offsets are of bytes and lie within the text, whatever the text's bytes are.
func TestOffsetsInInvalidText(t *testing.T) {
	re, err := Compile(`[^a]b`)
	require.NoError(t, err)
	m, ok, err := re.Search("aé\xff" + "b")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, 3, m.Start)
	require.Equal(t, 5, m.End)
}

func FuzzCompile(f *testing.F) {
	for i, p := range patterns {
		f.Add(p, texts[i%len(texts)])
	}
	for _, p := range refused {
		f.Add(p, "a\xffb")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 200 || len(text) > 40 {
			return
		}
		re, err := Compile(pattern)
		if err != nil {
			require.ErrorContains(t, err, "regular expression ")
			return
		}
		m, ok, err := re.Search(text)
		if err != nil || !ok {
			return
		}
		require.LessOrEqual(t, 0, m.Start)
		require.LessOrEqual(t, m.Start, m.End)
		require.LessOrEqual(t, m.End, len(text))
		require.Len(t, m.Groups, re.Groups()+1)
		start, err := CompileAtStart(pattern)
		require.NoError(t, err, pattern)
		if at, ok, err := start.Search(text); err == nil && ok {
			require.Zero(t, at.Start, "anchored %q in %q", pattern, text)
		}
	})
}

// TestASlowExpressionIsGivenUp: each name costs a second; after three the others cost nothing.
func TestASlowExpressionIsGivenUp(t *testing.T) {
	re, err := Compile("^(a+)+$")
	require.NoError(t, err)
	re.re.MatchTimeout = time.Millisecond
	name := strings.Repeat("a", 60) + "!"
	for n := range 100 {
		_, err := re.Match(name)
		require.Error(t, err)
		require.ErrorContains(t, err, "(a+)+", "it is named")
		require.Equal(t, n >= giveUpAfter, strings.Contains(err.Error(), "not tried on others"))
	}
}
