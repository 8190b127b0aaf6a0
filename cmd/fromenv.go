package cmd

import (
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/fromenv"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/strictyaml"
	"github.com/esnap/esnap/internal/terminal"
)

// environment is the name of the file that variables describe, in reports and messages.
const environment = "environment"

// fromEnvFlag adds --from-env, which stands for the arguments of a command.
func fromEnvFlag(c *cobra.Command, to *bool) {
	c.Flags().BoolVar(to, "from-env", false, "run what environment variables describe: docs/from-env.md")
	files := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		switch {
		case !*to:
			return files(c, args)
		case len(args) > 0:
			return &usageError{
				text: "--from-env takes no action file; " + args[0] + " was given",
				hint: "esnap config from-env prints the action file of the variables",
			}
		}
		return nil
	}
}

// fromEnv is the action file that the environment describes. It is valid. Every variable
// that begins with ESNAP_ must have an effect, because there is no file that could name it.
func (x *session) fromEnv() (name string, text []byte, findings []strictyaml.Problem, err error) {
	e := fromenv.Environment{Lookup: x.s.Lookup, Settings: settings.Variables()}
	if x.Environ != nil {
		e.Unread = func() []string { return x.s.Unread(x.Environ()) }
	}
	text, err = fromenv.File(e)
	var p *plan.Plan
	if err == nil {
		p, err = plan.Parse(environment, text, x.planOptions())
	}
	var wrong *fromenv.Error
	if invalid := (*strictyaml.Error)(nil); errors.As(err, &invalid) {
		wrong = fromenv.Explain(text, invalid)
	}
	switch {
	case wrong == nil && !errors.As(err, &wrong):
		if err != nil {
			return "", nil, nil, err
		}
		return environment, text, p.Findings, nil
	case len(wrong.List) == 1: // the hint has a line of its own
		return "", nil, nil, &usageError{text: wrong.List[0].Text, hint: wrong.List[0].Hint}
	}
	return "", nil, nil, &usageError{text: wrong.Error()}
}

func newConfigFromEnv(app *App) *cobra.Command {
	return &cobra.Command{
		Use: "from-env", Short: "Print the action file that esnap run --from-env runs", Args: noArgs,
		Annotations: map[string]string{advises: "yes"},
		Long: `Print the action file that esnap run --from-env runs. A comment names the
variable of each value. Secrets are not printed: the file names their variables.
No cluster is needed.`,
		Example: "  esnap config from-env > action_file.yml",
		RunE:    func(c *cobra.Command, _ []string) error { return runConfigFromEnv(c, app) },
	}
}

func runConfigFromEnv(c *cobra.Command, app *App) error {
	x, err := app.open(c)
	if err != nil {
		return err
	}
	_, text, findings, err := x.fromEnv()
	if err != nil {
		return err
	}
	for _, f := range findings {
		terminal.Fprintf(x.Err, "%s\n", f.Warning())
	}
	if err := x.checkVariables(slog.LevelWarn); err != nil {
		return err
	}
	_, err = x.Out.Write(text)
	return err
}
