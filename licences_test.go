package esnap_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// licences are of the modules that the binary is linked from, on any system. A new
// module is added here once somebody has read its licence; more than one name where
// parts of it have another one.
var licences = map[string]string{
	"github.com/aws/aws-sdk-go-v2":               "Apache-2.0 BSD-3-Clause",
	"github.com/aws/aws-sdk-go-v2/credentials":   "Apache-2.0",
	"github.com/aws/smithy-go":                   "Apache-2.0 BSD-3-Clause",
	"github.com/cespare/xxhash/v2":               "MIT",
	"github.com/dlclark/regexp2":                 "MIT",
	"github.com/dustin/go-humanize":              "MIT",
	"github.com/elastic/elastic-transport-go/v8": "Apache-2.0",
	"github.com/fsnotify/fsnotify":               "BSD-3-Clause",
	"github.com/go-logr/logr":                    "Apache-2.0",
	"github.com/go-logr/stdr":                    "Apache-2.0",
	"github.com/go-viper/mapstructure/v2":        "MIT",
	"github.com/inconshreveable/mousetrap":       "Apache-2.0",
	"github.com/jedib0t/go-pretty/v6":            "MIT",
	"github.com/mattn/go-runewidth":              "MIT",
	"github.com/netresearch/go-cron":             "MIT",
	"github.com/pelletier/go-toml/v2":            "MIT",
	"github.com/rivo/uniseg":                     "MIT",
	"github.com/sagikazarmark/locafero":          "MIT",
	"github.com/sourcegraph/conc":                "MIT",
	"github.com/spf13/afero":                     "Apache-2.0",
	"github.com/spf13/cast":                      "MIT",
	"github.com/spf13/cobra":                     "Apache-2.0",
	"github.com/spf13/pflag":                     "BSD-3-Clause",
	"github.com/spf13/viper":                     "MIT",
	"github.com/subosito/gotenv":                 "MIT",
	"github.com/wneessen/go-mail":                "BSD-3-Clause MIT",
	"go.opentelemetry.io/auto/sdk":               "Apache-2.0",
	"go.opentelemetry.io/otel":                   "Apache-2.0 BSD-3-Clause",
	"go.opentelemetry.io/otel/metric":            "Apache-2.0 BSD-3-Clause",
	"go.opentelemetry.io/otel/trace":             "Apache-2.0 BSD-3-Clause",
	"go.yaml.in/yaml/v3":                         "Apache-2.0 MIT",
	"golang.org/x/crypto":                        "BSD-3-Clause",
	"golang.org/x/net":                           "BSD-3-Clause",
	"golang.org/x/sys":                           "BSD-3-Clause",
	"golang.org/x/term":                          "BSD-3-Clause",
	"golang.org/x/text":                          "BSD-3-Clause",
}

// clauses are words that only a text of this licence has, blanks made one.
var clauses = []struct{ licence, words string }{
	{"Apache-2.0", "Apache License Version 2.0, January 2004"},
	{"Apache-2.0", "Licensed under the Apache License, Version 2.0"},
	{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy of this software"},
	{"ISC", "Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted"},
	{"ISC", "Permission to use, copy, modify, and distribute this software for any purpose with or without fee is hereby granted"},
	{"MPL-2.0", "Mozilla Public License Version 2.0"},
}

// Clauses of the family BSD; an endorsement is what the third one is about.
const (
	bsd         = "Redistribution and use in source and binary forms, with or without modification, are permitted"
	endorsement = "endorse or promote products"
)

// licencesOf names the licences whose words a text has. What is left of those that
// are not permissive has a name, too, which no module may have.
func licencesOf(text string) []string {
	text = strings.Join(strings.Fields(text), " ")
	var names []string
	for _, c := range clauses {
		if strings.Contains(text, c.words) {
			names = append(names, c.licence)
		}
	}
	if strings.Contains(text, bsd) {
		names = append(names, map[bool]string{true: "BSD-3-Clause", false: "BSD-2-Clause"}[strings.Contains(text, endorsement)])
	}
	// MPL-2.0 names the GNU licences as those that it may be combined with.
	if other := unfree.FindString(text); other != "" && !slices.Contains(names, "MPL-2.0") {
		names = append(names, "not permissive: "+other)
	}
	return names
}

var (
	unfree = regexp.MustCompile(`(?i)GNU (Affero |Lesser |Library )?General Public License|Server Side Public License|` +
		`Business Source License|Elastic License|Commons Clause|Creative Commons`)
	licenceFile = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying)([-._].*)?$`)
)

// TestLicences reads the licence files of the linked modules in the module cache: at
// their root, and beside and above each linked package.
func TestLicences(t *testing.T) {
	folders := map[string]map[string]bool{} // of a module
	for _, system := range []string{"linux", "darwin", "windows"} {
		const format = "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Dir}}\t{{$.Dir}}{{end}}{{end}}"
		list := exec.Command("go", "list", "-deps", "-f", format, "./cmd/esnap")
		list.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH=amd64")
		var stderr bytes.Buffer
		list.Stderr = &stderr
		out, err := list.Output()
		require.NoError(t, err, stderr.String())
		for line := range strings.Lines(string(out)) {
			parts := strings.Split(strings.TrimSpace(line), "\t")
			if len(parts) != 3 {
				continue
			}
			if folders[parts[0]] == nil {
				folders[parts[0]] = map[string]bool{}
			}
			for dir := parts[2]; ; dir = filepath.Dir(dir) {
				folders[parts[0]][dir] = true
				if dir == parts[1] {
					break
				}
			}
		}
	}
	found := map[string]string{}
	for name, in := range folders {
		var all []string
		for _, dir := range keys(in) {
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			for _, e := range entries {
				if e.IsDir() || !licenceFile.MatchString(e.Name()) || filepath.Ext(e.Name()) == ".go" {
					continue
				}
				text, err := os.ReadFile(filepath.Join(dir, e.Name()))
				require.NoError(t, err)
				those := licencesOf(string(text))
				require.NotEmpty(t, those, "%s: %s is a licence that this test does not know", name, e.Name())
				all = append(all, those...)
			}
		}
		slices.Sort(all)
		found[name] = strings.Join(slices.Compact(all), " ")
		require.NotEmpty(t, all, "%s has no licence file", name)
		require.NotContains(t, found[name], "not permissive", name)
	}
	require.Equal(t, licences, found, "read the licence of what is new, then list it; take out what is gone")
}

// TestLicencesOf tries texts that no module of ours has.
func TestLicencesOf(t *testing.T) {
	for text, want := range map[string][]string{
		"":                            nil,
		"All rights reserved. Ask us": nil,
		"  GNU GENERAL PUBLIC\n LICENSE\nVersion 3":                        {"not permissive: GNU GENERAL PUBLIC LICENSE"},
		"Elastic License 2.0":                                              {"not permissive: Elastic License"},
		"Mozilla Public License\nVersion 2.0 … GNU General Public License": {"MPL-2.0"},
		"Apache License\nVersion 2.0, January 2004 … Commons Clause":       {"Apache-2.0", "not permissive: Commons Clause"},
		bsd + " …":                   {"BSD-2-Clause"},
		bsd + " … to " + endorsement: {"BSD-3-Clause"},
	} {
		require.Equal(t, want, licencesOf(text), text)
	}
}
