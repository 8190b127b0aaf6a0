package testserver

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// findJava returns the home of a JDK that runs the flavour. A JDK named for the purpose comes first
// (ESNAP_JAVA17_HOME, or ESNAP_JAVA21_HOME where 21 is the oldest that will do), then JAVA_HOME, then the usual
// folders, then the java on PATH. The error wraps ErrUnavailable unless a JDK was named and does not fit.
func findJava(f Flavour) (string, error) {
	d := distributions[f]
	fits := func(major int) bool { return major >= d.javaMin && (d.javaMax == 0 || major <= d.javaMax) }

	name := fmt.Sprintf("ESNAP_JAVA%d_HOME", d.javaMin)
	if home := os.Getenv(name); home != "" {
		major, err := javaMajor(home)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		if !fits(major) {
			return "", fmt.Errorf("%s: %s is Java %d; %s needs %s", name, home, major, f.Title(), d.javaRange())
		}
		return home, nil
	}
	for _, home := range javaHomes() {
		if major, err := javaMajor(home); err == nil && fits(major) {
			return home, nil
		}
	}
	return "", fmt.Errorf("%w: %s needs %s and none was found: install one or set %s to its home",
		ErrUnavailable, f.Title(), d.javaRange(), name)
}

// javaRange is the range of suitable JDKs.
func (d distribution) javaRange() string {
	if d.javaMax == d.javaMin {
		return fmt.Sprintf("a JDK %d", d.javaMin)
	}
	return fmt.Sprintf("a JDK %d or later", d.javaMin)
}

// javaHomes lists the folders on this machine that may be the home of a JDK.
func javaHomes() []string {
	var homes []string
	if home := os.Getenv("JAVA_HOME"); home != "" {
		homes = append(homes, home)
	}
	for _, pattern := range []string{"/usr/lib/jvm/*", "/Library/Java/JavaVirtualMachines/*/Contents/Home"} {
		found, _ := filepath.Glob(pattern) // the only error is a bad pattern
		homes = append(homes, found...)
	}
	if java, err := exec.LookPath("java"); err == nil {
		if java, err = filepath.EvalSymlinks(java); err == nil {
			homes = append(homes, filepath.Dir(filepath.Dir(java)))
		}
	}
	return homes
}

// javaMajor returns the major version of the JDK at home, as its release file states it.
func javaMajor(home string) (int, error) {
	if _, err := os.Stat(filepath.Join(home, "bin", "java")); err != nil {
		return 0, err
	}
	r, err := os.Open(filepath.Join(home, "release"))
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return parseJavaRelease(r)
}

// parseJavaRelease returns the major version stated by the release file of a JDK: 17 for "17.0.15", 8 for "1.8.0_392".
func parseJavaRelease(r io.Reader) (int, error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		value, ok := strings.CutPrefix(lines.Text(), "JAVA_VERSION=")
		if !ok {
			continue
		}
		version := strings.TrimPrefix(strings.Trim(value, `"`), "1.")
		end := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(version)
		}
		major, err := strconv.Atoi(version[:end])
		if err != nil {
			return 0, fmt.Errorf("JAVA_VERSION=%s: not a version", value)
		}
		return major, nil
	}
	if err := lines.Err(); err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("no JAVA_VERSION in the release file")
}
