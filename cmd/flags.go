package cmd

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// whole is the value of a flag that takes a whole number with a lower bound. A number
// below the bound is a usage error; it does not count as a flag that was not given.
type whole[T int | int64] struct {
	to    *T
	least T
}

func (w whole[T]) String() string {
	if w.to == nil || *w.to < w.least { // not given
		return ""
	}
	return strconv.FormatInt(int64(*w.to), 10)
}

func (w whole[T]) Set(text string) error {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || T(n) < w.least {
		return fmt.Errorf("must be a whole number, %d or more", w.least)
	}
	*w.to = T(n)
	return nil
}

func (w whole[T]) Type() string { return "int" }

// wholeFlag adds a flag that takes a number. While the flag is not given, its value is
// the lower bound minus one.
func wholeFlag[T int | int64](f *pflag.FlagSet, to *T, name string, least T, usage string) {
	*to = least - 1
	f.Var(whole[T]{to, least}, name, usage)
}

// noEmptyFlags refuses a flag with an empty value. A script passes one when its variable
// is not set: --older-than "" must not mean all ages, and --only "" not all actions.
func noEmptyFlags(c *cobra.Command, _ []string) error {
	var err error
	c.Flags().Visit(func(f *pflag.Flag) {
		empty := f.Value.String() == ""
		if list, ok := f.Value.(pflag.SliceValue); ok {
			empty = len(list.GetSlice()) == 0 || slices.Contains(list.GetSlice(), "")
		}
		if empty && err == nil {
			err = &usageError{text: fmt.Sprintf("the flag --%s has no value", f.Name), hint: "give the flag a value, or omit the flag"}
		}
	})
	return err
}
