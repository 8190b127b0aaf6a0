package strictyaml

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/near"
)

// Unmarshaler is a type that reads itself from a node. It adds its errors to p.
type Unmarshaler interface {
	DecodeYAML(n *Node, p *Problems)
}

// Field describes one key of a struct, from its tags:
//
//	`yaml:"name" check:"required,min=1,max=9,oneof=a|b,scalar,list" doc:"meaning"`
//
// required: must be given. min, max: bounds of a number. oneof: the allowed texts.
// scalar: numbers and dates are read as text. list: a single text is read as a list with
// one entry. nonzero: zero is refused. prune: keys of a map without a value count as not
// given.
type Field struct {
	Name     string
	Doc      string
	Type     reflect.Type
	Index    []int
	Required bool
	Scalar   bool
	List     bool
	NonZero  bool
	Own      bool // esnap's own: Curator does not know it
	Prune    bool
	Min, Max *float64
	OneOf    []string
}

// Fields lists the keys of a struct type, embedded structs included, in order of
// declaration.
func Fields(t reflect.Type) []Field {
	var fields []Field
	for sf := range structFields(t) {
		if sf.Anonymous && sf.Tag.Get("yaml") == "" {
			for _, f := range Fields(sf.Type) {
				f.Index = append(slices.Clone(sf.Index), f.Index...)
				fields = append(fields, f)
			}
			continue
		}
		name := sf.Tag.Get("yaml")
		if name == "" || name == "-" {
			continue
		}
		f := Field{Name: name, Doc: sf.Tag.Get("doc"), Type: sf.Type, Index: sf.Index}
		for _, c := range strings.Split(sf.Tag.Get("check"), ",") {
			k, v, _ := strings.Cut(c, "=")
			switch k {
			case "required":
				f.Required = true
			case "scalar":
				f.Scalar = true
			case "list":
				f.List = true
			case "nonzero":
				f.NonZero = true
			case "own":
				f.Own = true
			case "prune":
				f.Prune = true
			case "oneof":
				f.OneOf = strings.Split(v, "|")
			case "min":
				f.Min = number(v)
			case "max":
				f.Max = number(v)
			case "":
			default:
				panic("strictyaml: unknown check " + c + " on " + t.Name() + "." + sf.Name)
			}
		}
		fields = append(fields, f)
	}
	return fields
}

func structFields(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

func number(s string) *float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic("strictyaml: bad bound " + s)
	}
	return &f
}

// DecodeOptions are the options for decoding a map into a struct.
type DecodeOptions struct {
	Subject              string   // name of a key of the map in messages: "option of delete_indices"
	Owner                string   // the action or filter whose options they are; may be empty
	IgnoreNull           bool     // keys that are null or None count as not given
	TolerateEmptyUnknown bool     // also unknown keys, with a warning: Curator removes empty keys before it checks
	ExtraKeys            []string // keys that are allowed and read elsewhere
	// Own means that all keys are esnap's own: they are read strictly, not as Python reads
	// them. A boolean or 1.5 is no whole number, and a list has no empty text.
	Own bool
}

// Decode fills the struct that into points to. Values that are not given keep the defaults
// in into. It returns the keys that were given.
func Decode(n *Node, into any, how DecodeOptions, p *Problems) (given map[string]bool) {
	v := reflect.ValueOf(into).Elem()
	fields := Fields(v.Type())
	given = make(map[string]bool)
	if n == nil {
		n = &Node{Kind: Map}
	}
	if n.Kind != Map {
		p.Add(n, "expected a map, got %s", n.Kind)
		return given
	}
	for _, e := range n.Entries {
		at := slices.IndexFunc(fields, func(f Field) bool { return f.Name == e.Key.Text })
		if at < 0 {
			if !slices.Contains(how.ExtraKeys, e.Key.Text) {
				names := slices.Clone(how.ExtraKeys)
				for _, f := range fields {
					names = append(names, f.Name)
				}
				if hint := near.DidYouMean(e.Key.Text, names); how.TolerateEmptyUnknown && e.Value.Absent() {
					p.WarnHint(e.Key, hint, "unknown %s %q; it has no value and counts as not given", how.Subject, withoutPaths(e.Key.Text))
				} else {
					p.AddHint(e.Key, hint, "unknown %s %q", how.Subject, withoutPaths(e.Key.Text))
				}
			}
			continue
		}
		if how.IgnoreNull && e.Value.Absent() {
			continue
		}
		given[e.Key.Text] = true
		f := fields[at]
		f.Own = f.Own || how.Own
		f.set(v.FieldByIndex(f.Index), e.Value, p)
	}
	for _, f := range fields {
		if f.Required && !given[f.Name] {
			if v := n.Get(f.Name); v != nil && v.From != "" {
				why := v.Shown()
				if v.Kind != Null {
					why += " is None"
				}
				p.Add(v, "%s, but %s", how.required(f.Name), why)
			} else {
				p.Add(n, "%s", how.required(f.Name))
			}
		}
	}
	return given
}

// required is the error about a key that is not given.
func (how DecodeOptions) required(name string) string {
	if how.Owner != "" {
		return how.Owner + ": " + name + " is required"
	}
	return fmt.Sprintf("the %s %q is required", how.Subject, name)
}

var durationType = reflect.TypeFor[time.Duration]()

func (f Field) set(v reflect.Value, n *Node, p *Problems) {
	if u, ok := v.Addr().Interface().(Unmarshaler); ok {
		u.DecodeYAML(n, p)
		return
	}
	if v.Kind() == reflect.Pointer {
		if n.Kind == Null {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		f.set(v.Elem(), n, p)
		return
	}
	// The value is shown only where a boolean or a number is expected: any other key may be
	// one of a secret, or hold one below it.
	wrong := func(want string) {
		got := describe(n)
		if !v.CanInt() && !v.CanFloat() && v.Kind() != reflect.Bool && n.From == "" {
			got = n.Kind.String()
		}
		p.Add(n, "%s: expected %s, got %s", f.Name, want, got)
	}
	switch {
	case v.Type() == durationType:
		if d, ok := ParseDuration(n.Text); ok && n.Kind != Map && n.Kind != List {
			v.SetInt(int64(d))
		} else {
			p.Add(n, "%s: %s", f.Name, n.invalidDuration())
		}
	case v.Kind() == reflect.String:
		s, ok := f.text(n)
		if !ok {
			wrong("text (put it in quotes)")
			return
		}
		if len(f.OneOf) > 0 && !slices.Contains(f.OneOf, s) {
			p.AddHint(n, near.DidYouMean(s, f.OneOf), "%s: %s is not one of %s", f.Name, n.Shown(), strings.Join(f.OneOf, ", "))
			return
		}
		v.SetString(s)
	case v.Kind() == reflect.Bool:
		b, ok := AsBool(n)
		if !ok {
			wrong("a boolean (true or false)")
			return
		}
		v.SetBool(b)
	case v.CanInt():
		i, ok := AsInt(n)
		if !ok || f.Own && (n.Kind == Bool || n.Kind == Float && n.Value.(float64) != float64(i)) {
			wrong("a whole number")
			return
		}
		if f.inBounds(float64(i), n, p) {
			v.SetInt(i)
		}
	case v.CanFloat():
		x, ok := AsFloat(n)
		if !ok {
			wrong("a number")
			return
		}
		if f.inBounds(x, n, p) {
			v.SetFloat(x)
		}
	case v.Type() == reflect.TypeFor[map[string]any]():
		if n.Kind != Map {
			wrong("a map")
			return
		}
		v.Set(reflect.ValueOf(n.Interface()))
	case v.Type() == reflect.TypeFor[[]string]():
		if n.Kind != List && (!f.List || n.Kind != String) {
			wrong("a list")
			return
		}
		items := n.Items
		if n.Kind == String {
			items = []*Node{n}
		}
		list := make([]string, 0, len(items))
		for _, it := range items {
			if it.Kind == Map || it.Kind == List || it.Kind == Null {
				p.Add(it, "%s: expected a list of texts, but an entry is %s", f.Name, describe(it))
				continue
			}
			if f.Own && it.Text == "" {
				p.Add(it, "%s: an entry of the list is empty", f.Name)
				continue
			}
			list = append(list, it.Text)
		}
		v.Set(reflect.ValueOf(list))
	case v.Kind() == reflect.Struct:
		if n.Kind != Map {
			wrong("a map")
			return
		}
		Decode(n, v.Addr().Interface(), DecodeOptions{Subject: "key of " + f.Name, IgnoreNull: f.Prune, Own: f.Own}, p)
	case v.Kind() == reflect.Interface:
		if x := n.Interface(); x != nil {
			v.Set(reflect.ValueOf(x))
		}
	default:
		panic(fmt.Sprintf("strictyaml: no rule for %s of %s", v.Type(), f.Name))
	}
}

func describe(n *Node) string {
	switch {
	case n.Kind == Null && n.From != "":
		return n.Kind.String() + ": " + n.Shown()
	case n.Kind == Map || n.Kind == List || n.Kind == Null:
		return n.Kind.String()
	case n.Kind == String:
		return "the text " + n.Shown()
	default:
		return n.Kind.String() + " (" + n.Shown() + ")"
	}
}

func (f Field) text(n *Node) (string, bool) {
	switch {
	case n.Kind == String:
		return n.Text, true
	case f.Scalar && (n.Kind == Int || n.Kind == Float || n.Kind == Date):
		return n.Text, true
	}
	return "", false
}

func (f Field) inBounds(x float64, n *Node, p *Problems) bool {
	switch {
	case f.Min != nil && x < *f.Min, f.Max != nil && x > *f.Max:
		switch {
		case f.Max == nil:
			p.Add(n, "%s: %s is less than %g", f.Name, n.Shown(), *f.Min)
		case f.Min == nil:
			p.Add(n, "%s: %s is more than %g", f.Name, n.Shown(), *f.Max)
		default:
			p.Add(n, "%s: %s is not between %g and %g", f.Name, n.Shown(), *f.Min, *f.Max)
		}
		return false
	case f.NonZero && x == 0:
		p.Add(n, "%s: must not be zero", f.Name)
		return false
	}
	return true
}

// AsBool reads a boolean or its text forms, as Curator does: 1 true yes on enable and
// 0 false no off disable, in any letter case. Numbers are not booleans.
func AsBool(n *Node) (value, ok bool) {
	switch n.Kind {
	case Bool:
		return n.Value.(bool), true
	case String:
		switch strings.ToLower(n.Text) {
		case "1", "true", "yes", "on", "enable":
			return true, true
		case "0", "false", "no", "off", "disable":
			return false, true
		}
	}
	return false, false
}

var intString = regexp.MustCompile(`^\s*[-+]?\d+(?:_\d+)*\s*$`)

// AsInt reads a whole number as Python's int() does: digits also as text, floats
// truncated towards zero, booleans as 0 and 1.
func AsInt(n *Node) (int64, bool) {
	switch n.Kind {
	case Int:
		return n.Value.(int64), true
	case Bool:
		if n.Value.(bool) {
			return 1, true
		}
		return 0, true
	case Float:
		f := n.Value.(float64)
		if math.IsNaN(f) || math.Abs(f) > 1<<53 {
			return 0, false
		}
		return int64(f), true
	case String:
		if intString.MatchString(n.Text) {
			i, err := strconv.ParseInt(strings.TrimPrefix(strings.ReplaceAll(strings.TrimSpace(n.Text), "_", ""), "+"), 10, 64)
			return i, err == nil
		}
	}
	return 0, false
}

// AsFloat reads a number as Python's float() does.
func AsFloat(n *Node) (float64, bool) {
	switch n.Kind {
	case Float:
		return n.Value.(float64), true
	case String:
		f, err := strconv.ParseFloat(strings.TrimSpace(n.Text), 64)
		return f, err == nil
	}
	i, ok := AsInt(n)
	return float64(i), ok
}

var (
	durationPart = regexp.MustCompile(`^(\d+(?:\.\d+)?)(ms|mo|s|m|h|d|w|y)`)
	// durationUnits has months and years as the age filter has them.
	durationUnits = map[string]time.Duration{
		"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour,
		"d": day, "w": 7 * day, "mo": 30 * day, "y": 365 * day,
	}
)

const day = 24 * time.Hour

// ParseDuration reads 90s, 1h30m, 45d, 2w, 6mo, 1y, and 0. Any other number without
// a unit is refused: 14 may be meant as days.
func ParseDuration(s string) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return 0, f == 0
	}
	var total time.Duration
	if s == "" {
		return 0, false
	}
	for s != "" {
		m := durationPart.FindStringSubmatch(s)
		if m == nil {
			return 0, false
		}
		f, _ := strconv.ParseFloat(m[1], 64)
		part, ok := times(f, durationUnits[m[2]])
		if total += part; !ok || total < 0 {
			return 0, false
		}
		s = s[len(m[0]):]
	}
	return total, true
}

// durationForms ends the error about an invalid duration.
const durationForms = "; write 14d, 12h or 30m"

// InvalidDuration is the error about a text that ParseDuration refuses.
func InvalidDuration(text string) string {
	return "invalid duration " + strconv.Quote(text) + durationForms
}

func (n *Node) invalidDuration() string {
	if n.From != "" || n.Kind == Map || n.Kind == List || n.Kind == Null {
		return "invalid duration: " + n.Shown() + durationForms
	}
	return InvalidDuration(n.Text)
}

// times refuses a number that is negative, not a number, or too large for a duration.
func times(f float64, unit time.Duration) (time.Duration, bool) {
	if ns := f * float64(unit); ns >= 0 && ns < math.MaxInt64 {
		return time.Duration(ns), true
	}
	return 0, false
}
