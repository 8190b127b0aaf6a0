package esnap_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/cmd"
)

// documents are the Markdown files for users and contributors.
func documents(t *testing.T) []string {
	t.Helper()
	names := []string{"README.md", "CHANGELOG.md", "CONTRIBUTING.md"}
	for _, folder := range []string{"docs", "examples", "charts"} {
		require.NoError(t, fs.WalkDir(os.DirFS("."), folder, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && path.Ext(name) == ".md" {
				names = append(names, name)
			}
			return err
		}))
	}
	return names
}

// proseOf is a Markdown file without its code blocks, line by line.
func proseOf(t *testing.T, name string) []string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	lines := strings.Split(string(data), "\n")
	code := false
	for i, line := range lines {
		fence := strings.HasPrefix(strings.TrimLeft(line, " "), "```")
		if code || fence {
			lines[i] = ""
		}
		code = code != fence
	}
	require.False(t, code, "%s: a code block does not end", name)
	return lines
}

var codeSpan = regexp.MustCompile("`[^`]*`")

// Words that readers found hard to understand: "it is no failure" for "it is not a
// failure", for example. "There is no" and "is no longer" are plain. Code is not searched.
var (
	hard = regexp.MustCompile(`(?i)\bmanners\b|\brehears|\bis no\b|\bsaid so\b|\banew\b|\bso (many|long)\b|\bbrakes?\b|\bplanners?\b` +
		`|\bshrunken\b|\bha(s|ve) gone\b|\bwhat was told\b|\bruns are told\b|\bas fast as it goes\b|\b(is|are) left alone\b`)
	plain = regexp.MustCompile(`(?i)\bthere is no\b|\bis no longer\b`)
)

func hardWord(text string) string {
	return hard.FindString(plain.ReplaceAllString(codeSpan.ReplaceAllString(text, "`"), ""))
}

func TestHardWords(t *testing.T) {
	for text, want := range map[string]bool{
		"in the manners of version 5": true, "a rehearsal": true, "It Rehearses": true, "that is no failure": true, "The index is no copy": true,
		"it has said so": true, "made anew since": true, "the first so many": true,
		"kept so long": true, "refused by a brake": true, "the planner": true,
		"it has gone": true, "remembers what was told": true,
		"this is not a failure": false, "is now": false, "there is nothing": false, "There is no index": false, "is no longer protected": false,
		"was recreated": false, "a so-called": false, "`TestRehearsed`": false, "so that": false,
	} {
		require.Equal(t, want, hardWord(text) != "", text)
	}
	for _, name := range documents(t) {
		for i, line := range proseOf(t, name) {
			require.Empty(t, hardWord(line), "%s:%d: write it plainly: %s", name, i+1, line)
		}
	}
}

// TestHardWordsInTheMakefile: make help is as plain as the help of esnap.
func TestHardWordsInTheMakefile(t *testing.T) {
	data, err := os.ReadFile("Makefile")
	require.NoError(t, err)
	tried := 0
	for line := range strings.Lines(string(data)) {
		if _, help, ok := strings.Cut(line, " ## "); ok {
			require.Empty(t, hardWord(help), "write it plainly: %s", help)
			tried++
		}
	}
	require.Greater(t, tried, 20)
}

// TestHardWordsInTexts: the texts of the program are as plain as its documentation. Texts
// of internal/curator imitate Curator.
func TestHardWordsInTexts(t *testing.T) {
	tried := 0
	var found []string
	require.NoError(t, fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != "." || d.Name() == "testdata" || name == "internal/curator"):
			return fs.SkipDir
		case d.IsDir(), path.Ext(name) != ".go", strings.HasSuffix(name, "_test.go"):
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING {
				value, err := strconv.Unquote(text.Value)
				require.NoError(t, err)
				if hardWord(value) != "" {
					found = append(found, fmt.Sprintf("%s: %s", files.Position(n.Pos()), value))
				}
				tried++
			}
			return true
		})
		return nil
	}))
	require.Empty(t, found, "write it plainly")
	require.Greater(t, tried, 3000)
}

// helpOf is the help of a command, and of all commands below it.
func helpOf(t *testing.T, args ...string) map[string]string {
	t.Helper()
	var out bytes.Buffer
	app := &cmd.App{In: &out, Out: &out, Err: &out, Env: func(string) (string, bool) { return "", false }, Now: time.Now}
	require.Zero(t, cmd.Main(t.Context(), app, append(args, "--help")), "%s", args)
	all := map[string]string{strings.Join(append([]string{"esnap"}, args...), " "): out.String()}
	_, commands, _ := strings.Cut(out.String(), "Commands:\n")
	for line := range strings.Lines(commands) {
		if also, is := strings.CutPrefix(line, "Also: "); is {
			for name := range strings.SplitSeq(strings.TrimSpace(also), ", ") {
				for c, text := range helpOf(t, append(slices.Clone(args), name)...) {
					all[c] = text
				}
			}
			break
		}
		name, _, found := strings.Cut(strings.TrimLeft(line, " "), " ")
		if !found || !strings.HasPrefix(line, "  ") {
			break
		}
		for c, text := range helpOf(t, append(slices.Clone(args), name)...) {
			all[c] = text
		}
	}
	return all
}

// TestHardWordsInHelp: texts that are put together, and those of libraries, are not
// literals of the program. The schema has the documentation of all options.
func TestHardWordsInHelp(t *testing.T) {
	all := helpOf(t)
	for _, c := range []string{"esnap", "esnap restore", "esnap repository register", "esnap snapshot delete", "esnap config show"} {
		require.Contains(t, all, c)
	}
	var out bytes.Buffer
	app := &cmd.App{In: &out, Out: &out, Err: &out, Env: func(string) (string, bool) { return "", false }, Now: time.Now}
	require.Zero(t, cmd.Main(t.Context(), app, []string{"schema"}))
	require.Contains(t, out.String(), `"description"`)
	all["esnap schema, its output"] = out.String()
	for c, text := range all {
		for line := range strings.Lines(text) {
			require.Empty(t, hardWord(line), "%s: write it plainly: %s", c, line)
		}
	}
}

var link = regexp.MustCompile(`\[([^\]]*)\]\(([^)\s]*)\)`)

// anchor is the name that GitHub gives a heading: lower case, without punctuation, with
// hyphens for spaces.
func anchor(heading string) string {
	heading = link.ReplaceAllString(heading, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsNumber(r), unicode.IsMark(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(heading))
}

// anchorsOf are those of all headings; equal ones are counted.
func anchorsOf(lines []string) []string {
	var list []string
	seen := map[string]int{}
	for _, line := range lines {
		marks := len(line) - len(strings.TrimLeft(line, "#"))
		if marks == 0 || marks > 6 || !strings.HasPrefix(line[marks:], " ") {
			continue
		}
		a := anchor(line[marks:])
		if n := seen[a]; n > 0 {
			list = append(list, fmt.Sprintf("%s-%d", a, n))
		} else {
			list = append(list, a)
		}
		seen[a]++
	}
	return list
}

func TestAnchors(t *testing.T) {
	for heading, want := range map[string]string{
		"Exit codes":                             "exit-codes",
		"`cluster_routing`":                      "cluster_routing",
		"Five minutes: a CronJob":                "five-minutes-a-cronjob",
		"What is different, and why":             "what-is-different-and-why",
		"Curator's command line":                 "curators-command-line",
		"6. Read old logs":                       "6-read-old-logs",
		"A – B":                                  "a--b",
		"See [the page](docs/page.md#x), please": "see-the-page-please",
		" **Bold** text ":                        "bold-text",
		"0.1.0":                                  "010",
		"Größe":                                  "größe",
	} {
		require.Equal(t, want, anchor(heading), heading)
	}
	require.Equal(t, []string{"title", "fs", "more", "fs-1", "fs-2"},
		anchorsOf([]string{"# Title", "## fs", "text", "#no heading", "### More", "### `fs`", "", "## fs"}))
}

// TestLinks: every link to a file of the repository leads to one, and every link to a
// heading leads to a heading.
func TestLinks(t *testing.T) {
	tried := 0
	for _, name := range documents(t) {
		for i, line := range proseOf(t, name) {
			for _, m := range link.FindAllStringSubmatch(codeSpan.ReplaceAllString(line, "`"), -1) {
				target, heading, anchored := strings.Cut(m[2], "#")
				if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
					continue
				}
				tried++
				at := fmt.Sprintf("%s:%d: %s", name, i+1, m[0])
				require.NotEmpty(t, m[2], at)
				require.False(t, path.IsAbs(target), at)
				file := name
				if target != "" {
					file = path.Join(path.Dir(name), target)
				}
				require.False(t, strings.HasPrefix(file, ".."), "%s: outside of the repository", at)
				_, err := os.Stat(file)
				require.NoError(t, err, at)
				if anchored {
					require.Equal(t, ".md", path.Ext(file), at)
					require.True(t, slices.Contains(anchorsOf(proseOf(t, file)), heading), "%s: no such heading", at)
				}
			}
		}
	}
	require.Greater(t, tried, 100)
}

// TestCitations: comments cite only what is in the repository.
func TestCitations(t *testing.T) {
	cites := regexp.MustCompile(`\bspec/[a-z]|design(?:\.md| §)`)
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || path == "prose_test.go" {
			return err
		}
		data, err := os.ReadFile(path)
		for n, line := range strings.Split(string(data), "\n") {
			if _, comment, found := strings.Cut(line, "//"); found {
				require.NotRegexp(t, cites, comment, "%s:%d", path, n+1)
			}
		}
		return err
	}))
}
