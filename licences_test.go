package esnap_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// permissive are the words by which licences are known that allow what esnap does:
// linking into a binary under its own licence.
var permissive = map[string]string{
	"Apache-2.0": "Apache License Version 2.0",
	"MIT":        "Permission is hereby granted, free of charge, to any person obtaining a copy",
	"BSD":        "Redistribution and use in source and binary forms, with or without modification, are permitted",
}

// TestLicences: every module that is linked into the binary has a permissive licence.
func TestLicences(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}", "./cmd/esnap")
	list.Stderr = os.Stderr
	out, err := list.Output()
	require.NoError(t, err)
	modules := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if path, dir, found := strings.Cut(strings.TrimSpace(line), " "); found {
			modules[path] = dir
		}
	}
	require.Greater(t, len(modules), 10)
	for path, dir := range modules {
		require.NotEmpty(t, licenceIn(t, dir), "%s has no licence that is known to be permissive: look at it before it is linked", path)
	}
}

// licenceIn is the licence of the module in a folder; empty: none that is known.
func licenceIn(t *testing.T, dir string) string {
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		if !regexp.MustCompile(`(?i)^(licen[cs]e|copying)`).MatchString(f.Name()) || f.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		flat := strings.Join(strings.Fields(string(text)), " ")
		for name, words := range permissive {
			if strings.Contains(flat, words) {
				return name
			}
		}
	}
	return ""
}

func TestLicenceIn(t *testing.T) {
	for text, want := range map[string]string{
		"GNU GENERAL PUBLIC LICENSE\nVersion 3": "", "": "",
		"MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy of": "MIT",
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "LICENSE.md"), []byte(text), 0o600))
		require.Equal(t, want, licenceIn(t, dir))
	}
}
