// Command manifests decodes Kubernetes manifests into the API types of one
// Kubernetes version. A key that this version does not have, a key that is there
// twice, a value of the wrong type and an unknown kind are errors.
//
//	manifests FILE[+PATCH]...
//
// With +PATCH, the strategic merge patch is applied to each object, as kubectl patch
// does, and the result is decoded.
//
// There is one go.mod per Kubernetes version, because one module cannot hold two
// versions of k8s.io/api: go.mod has the newest, v1.15.mod the types of Kubernetes
// 1.15. scripts/manifests.sh chooses with go's -modfile.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	batchv1beta1 "k8s.io/api/batch/v1beta1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

func main() {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, batchv1beta1.AddToScheme, networkingv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	failed := len(os.Args) < 2
	if failed {
		fmt.Fprintln(os.Stderr, "usage: manifests FILE[+PATCH]...")
	}
	for _, arg := range os.Args[1:] {
		if err := check(scheme, arg); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %s\n", arg, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

// check decodes each object of a file, and again with the patch applied.
func check(scheme *runtime.Scheme, arg string) error {
	file, patch, patched := strings.Cut(arg, "+")
	objects, err := read(file)
	if err != nil {
		return err
	}
	var patches [][]byte
	if patched {
		if patches, err = read(patch); err != nil {
			return err
		}
	}
	var all []error
	for _, object := range objects {
		into, err := decode(scheme, object)
		all = append(all, err)
		for _, patch := range patches {
			if err != nil {
				break
			}
			if object, err = strategicpatch.StrategicMergePatch(object, patch, into); err == nil {
				_, err = decode(scheme, object)
			}
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

// read returns the objects of a YAML file as JSON.
func read(file string) ([][]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var objects [][]byte
	for r := yamlutil.NewYAMLReader(bufio.NewReader(bytes.NewReader(data))); ; {
		text, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		object, err := yaml.YAMLToJSONStrict(text)
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
	if len(objects) == 0 {
		return nil, errors.New("no object in this file")
	}
	return objects, nil
}

// decode is strict: it knows the keys of this version only.
func decode(scheme *runtime.Scheme, object []byte) (runtime.Object, error) {
	var meta metav1.TypeMeta
	if err := json.Unmarshal(object, &meta); err != nil {
		return nil, err
	}
	into, err := scheme.New(meta.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	strict, err := kjson.UnmarshalStrict(object, into)
	return into, errors.Join(append(strict, err)...)
}
