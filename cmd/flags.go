package cmd

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/esnap/esnap/internal/near"
)

// flagError puts an error of the flag parser into plain words.
func flagError(c *cobra.Command, err error) error {
	ue := &usageError{text: err.Error(), hint: c.CommandPath() + " --help lists the flags"}
	var invalid *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	var lacking *pflag.ValueRequiredError
	switch {
	case errors.As(err, &invalid):
		ue.text = fmt.Sprintf("invalid value %q for --%s: %s", invalid.GetValue(), invalid.GetFlag().Name, expected(invalid))
	case errors.As(err, &lacking):
		ue.text = fmt.Sprintf("the flag --%s needs a value", lacking.GetFlag().Name)
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		ue.text = fmt.Sprintf("there is no flag -%s", unknown.GetSpecifiedName())
	case errors.As(err, &unknown):
		ue.text = fmt.Sprintf("there is no flag --%s", unknown.GetSpecifiedName())
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		if question := near.DidYouMean("--"+unknown.GetSpecifiedName(), names); question != "" {
			ue.hint = question
		}
	}
	return ue
}

// expected is what the value of a flag should have been.
func expected(err *pflag.InvalidValueError) string {
	switch t := err.GetFlag().Value.Type(); {
	case t == "bool":
		return "expected true or false"
	case t == "stringSlice":
		return "expected values separated by commas"
	}
	var parse *strconv.NumError
	if errors.As(err.Unwrap(), &parse) {
		return "expected a number"
	}
	return err.Unwrap().Error()
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
