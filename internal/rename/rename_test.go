package rename

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write golden files again")

const golden = "testdata/java.json"

// names are what every pattern below is tried on.
var names = []string{
	"a", "logs-2024.01.02", "ks-logstash-log-2026.11.03", ".ds-logs-app-2026.10.03-000012", "aab-aab", "a1-b22-c333",
	"prod_é-日本-1", "a$b{c}(d)^[e]", "x]-&&.+!~@%;='`", "aAbB-Ａ٣", "a-😀-b", "a-\nb\n", "",
}

// accepted are patterns with one meaning, each with a replacement.
var accepted = [][2]string{
	// what people write
	{`(.+)`, `restored-$1`}, {`^(.+)$`, `restored-$1`}, {`.+`, `x-$0`}, {`.*`, `x-$0`},
	{`(.*)`, `x-$1`}, {`^(.*)$`, `x-$1`}, {`(.*)$`, `$1-x`}, {`^`, `x-`}, {`$`, `-x`},
	{`logs`, `old`}, {`^logs-(.+)$`, `old-logs-$1`}, {`logs-(.+)`, `$1`}, {`(logs)-(.+)`, `$2-$1`},
	{`-(\d{4})\.`, `-y$1.`}, {`-\d{4}\.`, `-2012.`}, {`\.`, `-`}, {`-`, `_`}, {`^\.`, ``}, {`\d+`, `n`},
	{`^(.*)-(\d{4}\.\d{2}\.\d{2})$`, `$2-$1`}, {`^(.+)-\d{6}$`, `$1`},
	{`^(logs|ks)-`, `x-$1-`}, {`^(?:logs|ks)-(.*)`, `x-$1`}, {`^(?:(logs)|(ks))-`, `$1$2+`},
	// matches that are empty
	{``, `-`}, {`a?`, `-`}, {`x*`, `-`}, {`a*`, `<$0>`}, {`a*?`, `<$0>`}, {`|a`, `<$0>`},
	{`a|`, `<$0>`}, {`(|a)`, `<$1>`}, {`()`, `<$1>`}, {`(?:)`, `.`}, {`^|$`, `|`},
	{`^$`, `was-empty`}, {`$|^`, `!`}, {`(^|-)a`, `$1z`}, {`b^a`, `x`}, {`a$b`, `x`}, {`(a)?`, `<$1>`},
	// groups
	{`(a)(b)?`, `<$1$2>`}, {`((a)(.))`, `$3$2$1`}, {`(a|aa)(b|ab)?`, `<$1,$2>`},
	{`(?:a|b)+`, `<$0>`}, {`((?:a|b)+)`, `<$1>`}, {`(a)|(b)`, `<$1|$2>`},
	{`(a+)(a*)`, `<$1|$2>`}, {`(a+?)(a*)`, `<$1|$2>`}, {`(a|b)+`, `<$0>`}, {`(?:(a)|b)*c?`, `<$0>`},
	{`(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)`, `$11$10$1`}, {`((((a))))`, `$4`}, {`(?:(?:(?:a)))`, `z`}, {`(\w)-(\w)`, `$2-$1`},
	// quantifiers
	{`a{2}`, `z`}, {`a{1,}`, `z`}, {`a{0,2}b`, `z`}, {`a{1,2}?`, `z`}, {`\d{1,3}`, `<$0>`}, {`\d{2,}?`, `<$0>`},
	{`a??b`, `z`}, {`.+?-`, `<$0>`}, {`.{255}`, `z`}, {`(?:ab){2}`, `z`}, {`a{02}`, `z`}, {`[ab]{2,3}`, `<$0>`},
	// classes
	{`[abc]+`, `z`}, {`[^a]`, `z`}, {`[^a-z0-9]+`, `_`}, {`[a-c]`, `z`}, {`[-a]`, `z`}, {`[a-]`, `z`},
	{`[^-]`, `z`}, {`[^-a]+`, `z`}, {`[a^]`, `z`}, {`[^^]`, `z`}, {`[.$|()*+?{}]`, `z`}, {`[\]\[\\]`, `z`},
	{`[\^a]`, `z`}, {`[&]`, `z`}, {`[a&]`, `z`}, {`[&a-z]`, `z`}, {`[a-b&]`, `z`}, {`[a&-z]`, `z`},
	{`[\&\&a]`, `z`}, {`[\d.]+`, `n`}, {`[^\d.]+`, `n`}, {`[\w-]+`, `w`}, {`[^\w]`, `w`}, {`[^\W]`, `w`},
	{`[\D]`, `d`}, {`[^\D]`, `d`}, {`[\s]`, `s`}, {`[^\s]`, `s`}, {`[\W\d]`, `x`}, {`[!-~]`, `p`}, {`[é日]`, `u`},
	{`[à-ÿ]`, `u`}, {`[^é]`, `u`}, {`[--a]`, `z`}, {`[+--]`, `z`}, {`[#-&]`, `z`}, {`[\.\-]`, `z`}, {`[a-z-]`, `z`},
	{`\d`, `n`}, {`\D`, `n`}, {`\w`, `n`}, {`\W`, `n`}, {`\s`, `n`}, {`\S`, `n`}, {`\d\D`, `n`}, {`.`, `n`},
	// characters
	{`\$`, `dollar`}, {`a\$b`, `z`}, {`\^`, `z`}, {`\[`, `z`}, {`\]`, `z`}, {`\{`, `z`}, {`\}`, `z`}, {`\(`, `z`},
	{`\)`, `z`}, {`\|`, `z`}, {`\*`, `z`}, {`\+`, `z`}, {`\?`, `z`}, {`\\`, `z`}, {`\/`, `z`}, {`\-`, `z`},
	{`\_`, `z`}, {`\,`, `z`}, {`\<`, `z`}, {`\>`, `z`}, {`\#`, `z`}, {`\ `, `z`}, {`\!`, `z`}, {`\"`, `z`},
	{`\%`, `z`}, {`\&`, `z`}, {`\'`, `z`}, {`\:`, `z`}, {`\;`, `z`}, {`\=`, `z`}, {`\@`, `z`}, {"\\`", `z`}, {`\~`, `z`},
	{`&&`, `z`}, {`~`, `z`}, {`#`, `z`}, {`a b`, `z`}, {`é`, `e`}, {`日本`, `jp`}, {`日|本`, `jp`}, {`Ａ`, `A`},
	{`B`, `b`}, {`😀`, `smile`}, {`^a-😀`, `smile`}, {`^.*(😀)`, `$1`}, {`^[^x]+`, `z`}, {"é", "e"}, {"e\u0301", "z"},
}

// replacements are tried with patterns of no, one, two and twelve groups.
var replacements = []string{
	``, `x`, `$0`, `$00`, `$01`, `$1`, `$10`, `$11`, `$12`, `$13`, `$123`, `$2`, `$9`, `$1$2`, `$21`, `$1x`, `x$1y$2z`,
	`$$`, `$`, `x$`, `$x`, `$-1`, `$ 1`, `\$`, `\$1`, `\\`, `\\$1`, `\\\$1`, `\`, `x\`, `\x`, `\1`, `\n`, `\.`, `\é`, `\{`,
	`${x}`, `${1}`, `${}`, `${`, `$x}`, `$(1)`, `$<x>`, `\${x}`, `{$1}`, `é$1`, `$1é`, `$1٣`, `$٣`,
	`&`, `$&`, "$`", `$'`, `$+`, `$_`, `a b`, "a\nb", "\x00", `(?i)`, `[$1]`, `%1`, `#{x}`, `😀$1`,
}

var groups = []string{`a`, `(a)`, `^(.+)$`, `(a)(.)?`, `(.)(.)?(.)?(.)?(.)?(.)?(.)?(.)?(.)?(.)?(.)?(.)?`}

// refused are patterns that engines, or versions of Java, read differently, or that Java
// does not read.
var refused = []string{
	`(?<x>a)`, `(?<year>\d{4})`, `(?P<x>a)`, `(?'x'a)`, `(?=a)`, `(?!a)a`, `(?<=a)b`, `(?<!a)b`, `^(?!\.)(.+)$`,
	`(?>a)`, `(?i)A`, `(?i:A)`, `(?s).`, `(?x) a`, `(?u)a`, `(?U)\w`, `(?-i)a`, `(?#c)a`, `(?|a)`, `(?`, `(?)`, `(?R)`,
	`[a&&[^b]]`, `[a-z&&[^b]]`, `[a&&b]`, `[&&]`, `[a[b]]`, `[[a]]`, `[[:alpha:]]`, `[]a]`,
	`[^]a]`, `[]`, `[^]`, `[`, `[a`, `[a-`, `[^`, `[a-z-x]`, `[z-a]`, `[\d-z]`, `[a-\d]`,
	`[a-z`, `[a-c-e]`, `[\w-z]`, `[\b]`, `[\Q]`, `[\x61]`, `[\n]`, `[\p{L}]`, `[a&&&b]`,
	`a*+`, `a++`, `a?+`, `a{2}+`, `.*+a`, `a**`, `a+*`, `a{2}{3}`, `a{2}*`, `*a`, `+`, `?`, `a|*`,
	`(*a)`, `^*`, `$+`, `(^)*a`, `(a*)*`, `(a*)+`, `(a|)+`, `(?:)*`, `(a?){2}`, `(?:^a*)+`, `{`,
	`{2}`, `a{`, `a{,2}`, `a{,}`, `a{x}`, `a{2`, `a{2,1}`, `a{0}`, `a{256}`, `a{1,1000}`,
	`a{2,x}`, `a{ 2}`, `}`, `a}`, `]`, `a]`, `(a`, `a)`, `(`, `)`, `((a)`, `(?:a`, `a$*`, `a{٣}`,
	`(?:(?:(?:a{255}){255}){255}){255}`,
	`\Qa.b\E`, `\Qa`, `a\E`, `\1`, `(a)\1`, `(a)\k<x>`, `\b`, `\bab\b`, `\B`, `\A`, `\Z`, `\z`, `\G`, `\p{L}`,
	`\p{Lower}`, `\P{L}`, `\pL`, `\x61`, `\x{61}`, `\u0061`, `\0141`, `\t`, `\n`, `\r`, `\f`, `\a`, `\e`, `\cA`,
	`\h`, `\H`, `\v`, `\V`, `\R`, `\X`, `\N{LATIN SMALL LETTER A}`, `\N`, `\i`, `\K`, `\C`, `\y`, `\8`, `\é`, `\`, `a\`,
	"a\nb", "\t", "\x00", "a\u2028", "\u0085", "\ufffd",
}

// pair is a pattern and a replacement, with why they are refused or what Java makes of the
// names; nil: it throws.
type pair struct {
	Pattern     string    `json:"pattern"`
	Replacement string    `json:"replacement"`
	Refused     string    `json:"refused,omitempty"`
	Java        []*string `json:"java,omitempty"`
}

type recorded struct {
	Names []string `json:"names"`
	Pairs []pair   `json:"pairs"`
}

// pairs are all pairs of the lists above.
func pairs() (list []pair) {
	for _, c := range accepted {
		list = append(list, pair{Pattern: c[0], Replacement: c[1]})
	}
	for _, r := range replacements {
		for _, g := range groups {
			list = append(list, pair{Pattern: g, Replacement: r})
		}
	}
	for _, p := range refused {
		list = append(list, pair{Pattern: p, Replacement: `<$0>`})
	}
	list = append(list, pair{Pattern: `(a|b)+`, Replacement: `$1`}, pair{Pattern: `(?:(a)|(b)){2}`, Replacement: `$2`},
		pair{Pattern: `(?:(b).){0,2}|b`, Replacement: `$1`},
		pair{Pattern: strings.Repeat("a", longest+1), Replacement: "x"},
		pair{Pattern: "a", Replacement: strings.Repeat("x", longest+1)},
		pair{Pattern: strings.Repeat("(?:", 300) + strings.Repeat(")", 300), Replacement: "x"})
	return list
}

// java asks Java for every pair and name. Without a Java the test is skipped.
func java(t *testing.T, list []pair, names []string) {
	t.Helper()
	path, err := exec.LookPath("java")
	if err != nil {
		t.Skip("java is not on PATH: the names are compared with those recorded only")
	}
	var in, stderr bytes.Buffer
	b64 := base64.StdEncoding.EncodeToString
	for _, p := range list {
		for _, name := range names {
			fmt.Fprintln(&in, b64([]byte(p.Pattern)), b64([]byte(p.Replacement)), b64([]byte(name)))
		}
	}
	cmd := exec.Command(path, "testdata/ReplaceAll.java")
	cmd.Stdin, cmd.Stderr = &in, &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	require.Len(t, lines, len(list)*len(names))
	for i := range list {
		list[i].Java = nil
		for n := range names {
			var made *string
			if line := lines[i*len(names)+n]; line != "!" {
				name, err := base64.StdEncoding.DecodeString(line)
				require.NoError(t, err)
				text := string(name)
				made = &text
			}
			list[i].Java = append(list[i].Java, made)
		}
	}
}

// same holds a pair to what Java made of it; compared counts the names.
func same(t *testing.T, p pair, names []string) (compared int) {
	t.Helper()
	rule, err := Compile(p.Pattern, p.Replacement)
	if err != nil {
		return 0
	}
	for n, name := range names {
		got, err := rule.Apply(name)
		if err != nil {
			require.True(t, strings.ContainsFunc(name, unclear) || strings.ContainsFunc(name, beyond), "%q %q on %q: %v",
				p.Pattern, p.Replacement, name, err)
			continue
		}
		require.NotNil(t, p.Java[n], "%q %q on %q: Java throws", p.Pattern, p.Replacement, name)
		require.Equal(t, *p.Java[n], got, "%q %q on %q", p.Pattern, p.Replacement, name)
		compared++
	}
	return compared
}

// What is accepted gives the name that Java gives, and what is refused stays refused. The
// golden file holds what Java said; -update asks it again.
func TestSameAsJava(t *testing.T) {
	if *update {
		r := recorded{Names: names, Pairs: pairs()}
		java(t, r.Pairs, names)
		var out bytes.Buffer
		list, err := json.Marshal(names)
		require.NoError(t, err)
		fmt.Fprintf(&out, "{\"names\": %s,\n\"pairs\": [", list)
		for i, p := range r.Pairs {
			if _, err := Compile(p.Pattern, p.Replacement); err != nil {
				p.Refused, p.Java = err.Error(), nil
			}
			line, err := json.Marshal(p)
			require.NoError(t, err)
			fmt.Fprintf(&out, "%s\n%s", map[bool]string{true: "", false: ","}[i == 0], line)
		}
		out.WriteString("\n]}\n")
		require.NoError(t, os.WriteFile(golden, out.Bytes(), 0o644))
	}
	data, err := os.ReadFile(golden)
	require.NoError(t, err)
	var r recorded
	require.NoError(t, json.Unmarshal(data, &r))
	require.Equal(t, names, r.Names)
	want := pairs()
	require.Len(t, r.Pairs, len(want))
	compared := 0
	for i, p := range r.Pairs {
		require.Equal(t, []string{want[i].Pattern, want[i].Replacement}, []string{p.Pattern, p.Replacement})
		_, err := Compile(p.Pattern, p.Replacement)
		if p.Refused != "" {
			require.EqualError(t, err, p.Refused, "%q %q", p.Pattern, p.Replacement)
			continue
		}
		require.NoError(t, err, "%q %q", p.Pattern, p.Replacement)
		compared += same(t, p, names)
	}
	require.Greater(t, compared, 1500)
}

// atoms and friends are what random patterns are made of.
var (
	atoms = []string{
		`a`, `b`, `ab`, `-`, `1`, `.`, `é`, `\.`, `\-`, `\d`, `\w`, `\D`, `\W`, `[ab]`, `[^a]`, `[a-c1]`, `[\d-]`, `[^\w]`,
		`^`, `$`, ``,
	}
	quantifiers = []string{`*`, `+`, `?`, `*?`, `+?`, `??`, `{1}`, `{2}`, `{0,2}`, `{1,}`, `{1,3}?`, `{0,}?`, `{02}`}
	letters     = []string{`a`, `b`, `a`, `b`, `c`, `-`, `1`, `.`, `é`, `A`, `Ａ`, `😀`}
)

func pick(r *rand.Rand, list []string) string { return list[r.IntN(len(list))] }

// random makes a pattern.
func random(r *rand.Rand, depth int) string {
	if depth == 0 {
		return pick(r, atoms)
	}
	switch inner := random(r, depth-1); r.IntN(8) {
	case 0:
		return pick(r, atoms)
	case 1:
		return inner + pick(r, quantifiers)
	case 2:
		return "(" + inner + ")"
	case 3:
		return "(" + inner + ")" + pick(r, quantifiers)
	case 4:
		return "(?:" + inner + ")" + pick(r, quantifiers)
	case 5:
		return inner + "|" + random(r, depth-1)
	default:
		return inner + random(r, depth-1)
	}
}

// Random patterns, with all groups that the replacement may have. Much longer runs than
// this one found no difference, on Java 17 and 25.
func TestRandomSameAsJava(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var list []pair
	for len(list) < 3000 {
		p := pair{Pattern: random(r, 5), Replacement: "{$0"}
		for g := 1; g <= strings.Count(p.Pattern, "("); g++ {
			if ref := fmt.Sprintf("<$%d>", g); compiles(p.Pattern, ref) {
				p.Replacement += ref
			}
		}
		if compiles(p.Pattern, p.Replacement) {
			list = append(list, p)
		}
	}
	var names []string
	for range 12 {
		name := ""
		for range 1 + r.IntN(9) {
			name += pick(r, letters)
		}
		names = append(names, name)
	}
	java(t, list, names)
	compared := 0
	for _, p := range list {
		compared += same(t, p, names)
	}
	require.Greater(t, compared, 20000)
}

func compiles(pattern, replacement string) bool {
	_, err := Compile(pattern, replacement)
	return err == nil
}

// The column is counted in characters, from 1, and the text says what to write.
func TestErrorsNameTheColumn(t *testing.T) {
	for _, c := range [][3]string{
		{`é(?<y>\d{4})`, `x`, `pattern, column 2: named groups are not supported: write (…), and $1`},
		{`a(?i)b`, `x`, `pattern, column 2: flags are not supported`},
		{`^(?!\.)`, `x`, `pattern, column 2: look-around is not supported`},
		{`a(?>b)`, `x`, `pattern, column 2: atomic groups are not supported: write (?:…)`},
		{`ab*+`, `x`, `pattern, column 4: possessive quantifiers are not supported: leave out this +`},
		{`a\Qb.c\E`, `x`, `pattern, column 2: \Q and \E are not supported: put a backslash before each punctuation character`},
		{`[a&&[^b]]`, `x`, `pattern, column 3: && (the intersection of two sets) is not supported: list the characters`},
		{`[a[b]]`, `x`, `pattern, column 3: a set within a set is not supported: write \[`},
		{`日[z-a]`, `x`, `pattern, column 4: this is not a range`},
		{`\p{L}`, `x`, `pattern, column 1: classes of characters by name (\p) are not supported: list the characters`},
		{`(a)\1`, `x`, `pattern, column 4: back references (\1) are not supported`},
		{`\bab`, `x`, `pattern, column 1: \b is not supported: write ^ for the beginning`},
		{`a\x61`, `x`, `pattern, column 2: \x is not supported: write the character itself`},
		{`a{,2}`, `x`, `pattern, column 2: { begins a number of repetitions`},
		{`a{3,2}`, `x`, `pattern, column 2: repetitions are counted`},
		{`(a*)+`, `x`, `pattern, column 5: the repeated part can be empty`},
		{`a**`, `x`, `pattern, column 3: a quantifier of a quantifier`},
		{`*a`, `x`, `pattern, column 1: there is nothing to repeat: write \* for the character`},
		{`ab(c`, `x`, `pattern, column 3: the group that begins here has no end`},
		{`ab)c`, `x`, `pattern, column 3: the group that ends here has no beginning`},
		{`ab[c`, `x`, `pattern, column 3: the set that begins here has no end`},
		{`ab\`, `x`, `pattern, column 3: the pattern ends in a backslash`},
		{"a\nb", `x`, `pattern, column 2: control characters`},
		{`(a)`, `éx$2`, `replacement, column 3: the pattern has no group 2`},
		{`(a)`, `x$`, `replacement, column 2: $ begins the number of a group, such as $1: write \$`},
		{`(a)`, `x${y}`, `replacement, column 2: named groups are not supported: write $1`},
		{`(a)`, `x\y`, `replacement, column 2: a backslash is allowed before $ or \ only: omit it, or write \\`},
		{`(a|b)+`, `x$1`, `replacement, column 2: group 1 is repeated in the pattern`},
	} {
		_, err := Compile(c[0], c[1])
		require.ErrorContains(t, err, c[2], "%q %q", c[0], c[1])
	}
}

// Names for which a pattern's meaning depends on the server are not renamed.
func TestNamesThatAreNotRenamed(t *testing.T) {
	for name, anchored := range map[string]bool{
		"a-\n":    false,
		"a\u2028": false,
		"a\x00":   false,
		"a\x7f":   false,
		"a\u0085": false,
		"a\xff":   false,
		"a-😀":     true,
	} {
		for _, pattern := range []string{`a`, `^(.+)$`} {
			rule, err := Compile(pattern, `z`)
			require.NoError(t, err)
			_, err = rule.Apply(name)
			require.Equal(t, anchored && pattern != "a", err == nil, "%q %q", pattern, name)
		}
	}
}

// What esnap itself sends says what it means, whatever the names are.
func TestOwnRules(t *testing.T) {
	for _, text := range append([]string{`a$b`, `$1`, `\`, `\$`, `${x}`, `$10`, `^a.b*c?(d|e)[f]{2}$`, `é日`, `-`, `&&`, `\Q\E`}, names...) {
		if text == "" || strings.ContainsFunc(text, unclear) {
			continue
		}
		for _, name := range []string{"logs-1", "$1", "a.b", "a-😀"} {
			rule, err := Compile(Prefix(text))
			require.NoError(t, err, text)
			got, err := rule.Apply(name)
			require.NoError(t, err, text)
			require.Equal(t, text+name, got)
			for from, to := range map[string]string{text: name, name: text} {
				rule, err = Compile(Exactly(from, to))
				require.NoError(t, err, from)
				got, err = rule.Apply(from)
				require.NoError(t, err, from)
				require.Equal(t, to, got)
				other, err := rule.Apply("x" + from)
				require.NoError(t, err)
				require.Equal(t, "x"+from, other, "only that index")
			}
		}
	}
}

func TestPossible(t *testing.T) {
	for _, c := range []struct {
		replacement, name string
		want              bool
	}{
		{`restored-$1`, `restored-a`, true}, {`restored-$1`, `x-restored-a`, true},
		{`restored-$1`, `logs-a`, false}, {`$1-back`, `a-back`, true}, {`$1-back`, `a`, false},
		{`a$1b$2c`, `xa-b-c`, true}, {`a$1b$2c`, `c-b-a`, false}, {`a$1a`, `a`, false},
		{`a$1a`, `aa`, true}, {`$1`, `anything`, true}, {``, `anything`, true},
		{`${year}-x`, `2026-x`, true}, {`${year}-x`, `2026`, false}, {`x${`, `x`, true},
		{`\$1`, `a$1`, true}, {`\$1`, `a1`, false}, {`\\`, `\`, true}, {`\x`, `x`, true},
		{`$12x`, `1x`, true}, {`x\`, `x`, true}, {`$`, `a`, true}, {`é$1`, `e`, false},
	} {
		require.Equal(t, c.want, Possible(c.replacement, c.name), "%+v", c)
	}
}

func FuzzRename(f *testing.F) {
	for i, p := range pairs() {
		f.Add(p.Pattern, p.Replacement, names[i%len(names)])
	}
	f.Fuzz(func(t *testing.T, pattern, replacement, name string) {
		rule, err := Compile(pattern, replacement)
		if err != nil {
			e := new(Error)
			require.ErrorAs(t, err, &e)
			require.NotEmpty(t, e.Text)
			require.Positive(t, e.Column)
			return
		}
		if len(name) > 255 {
			return
		}
		got, err := rule.Apply(name)
		if err != nil {
			return
		}
		again, err := Compile(pattern, replacement)
		require.NoError(t, err)
		second, err := again.Apply(name)
		require.NoError(t, err)
		require.Equal(t, got, second)
		if got != name { // what a rule can do, Possible must not deny
			require.True(t, Possible(replacement, got), "%q %q made %q of %q", pattern, replacement, got, name)
		}
	})
}
