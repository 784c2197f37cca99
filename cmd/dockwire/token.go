package main

import (
	"cmp"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
	"github.com/spf13/cobra"
)

// tokens is what the commands about tokens share. They work on the daemon's
// state directory; a daemon that runs takes the changes up by itself.
type tokens struct {
	*app
	stateDir string
}

func (a *app) token() *cobra.Command {
	t := tokens{app: a}
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print the admin token of this machine's daemon, or manage others",
		Long: `Print the admin token of this machine's daemon, or manage others.

The commands work on the daemon's state directory, and so have to be run as a user
who may write there. The daemon need not be restarted.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			path := api.TokenFile(t.dir())
			data, err := os.ReadFile(path)
			if errors.Is(err, os.ErrNotExist) {
				return noToken(path)
			}
			return answer(a, strings.TrimSpace(string(data)), err, func(token string) { a.printf("%s\n", token) })
		},
	}
	cmd.PersistentFlags().StringVar(&t.stateDir, "state-dir", "", "the daemon's state directory (DOCKWIRE_STATE_DIR)")
	cmd.AddCommand(t.create(), t.list(), t.revoke())
	return cmd
}

func (t *tokens) dir() string {
	return cmp.Or(t.stateDir, os.Getenv("DOCKWIRE_STATE_DIR"), api.DefaultStateDir())
}

// created is the answer of token create as JSON.
type created struct {
	access.Token
	Secret string `json:"token"`
}

func (t *tokens) create() *cobra.Command {
	var scopeName string
	var names []string
	var lifetime time.Duration
	cmd := &cobra.Command{
		Use:   "create --scope read|deploy|admin --names PATTERN",
		Short: "Make a token, and print it this once",
		Long: `Make a token, and print it this once: only a hash of it is kept.

The scope read looks, deploy changes, admin sees the engine's own documents too; a
wider one includes the narrower. The patterns are of names of containers, images,
volumes, networks and custom domains alike: * stands for any characters but /, ? for
one, [a-c] for one of a range, and * alone is every name. A token touches and sees
nothing of another name.`,
		Example: "  dockwire token create --scope deploy --names 'game*' --expires 720h",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			scope, expires, err := parseToken(scopeName, names, lifetime)
			if err != nil {
				return err
			}
			token, secret, err := access.CreateToken(t.dir(), scope, names, expires)
			return answer(t.app, created{token, secret}, err, func(created) {
				t.note("token %s of the scope %s for %s, %s; it is not shown again", token.ID, token.Scope, strings.Join(token.Names, ", "), until(token))
				t.printf("%s\n", secret)
			})
		},
	}
	cmd.Flags().StringVar(&scopeName, "scope", "", "what it allows: read, deploy or admin")
	cmd.Flags().StringSliceVar(&names, "names", []string{"*"}, "a `pattern` of the names that it is for (repeatable)")
	cmd.Flags().DurationVar(&lifetime, "expires", 0, "for how long it is good, such as 720h (default for ever)")
	return cmd
}

func parseToken(scopeName string, names access.Names, lifetime time.Duration) (scope access.Scope, expires time.Time, err error) {
	if err := scope.UnmarshalText([]byte(scopeName)); err != nil {
		return scope, expires, usagef("--scope: %s", err)
	}
	if err := names.Check(); err != nil {
		return scope, expires, usagef("--names: %s", err)
	}
	if lifetime < 0 {
		return scope, expires, usagef("--expires %s is over already", lifetime)
	}
	if lifetime > 0 {
		expires = time.Now().UTC().Add(lifetime).Truncate(time.Second)
	}
	return scope, expires, nil
}

func (t *tokens) list() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the tokens, without the admin's and without any secret",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			all, err := access.ListTokens(t.dir())
			return answer(t.app, all, err, func([]access.Token) {
				var rows [][]cell
				for _, token := range all {
					rows = append(rows, plainCells([]string{token.ID, token.Scope.String(), strings.Join(token.Names, ", "),
						age(api.Time{Time: token.Created}), until(token), age(api.Time{Time: token.Used})}))
				}
				t.table("ID", "SCOPE", "NAMES", "CREATED", "EXPIRES", "LAST USED").write(rows...)
			})
		},
	}
}

// until says how long a token is good.
func until(token access.Token) string {
	switch {
	case token.Expires.IsZero():
		return "never expires"
	case token.Expired():
		return "expired"
	}
	return "expires " + token.Expires.Format(time.RFC3339)
}

func (t *tokens) revoke() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ID",
		Short: "Make a token good for nothing, also on connections that are open",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			err := access.RevokeToken(t.dir(), args[0])
			return answer(t.app, args[0], err, func(id string) { t.printf("%s revoked\n", clean(id)) })
		},
	}
}

// noToken is the error of a daemon that has not been started yet. It holds the
// path that has no token.
type noToken string

func (path noToken) Error() string {
	return "there is no token in " + string(path) + "; the daemon makes it when it is first started"
}

// Is makes it exit like everything else that is not there.
func (noToken) Is(target error) bool { return target == api.CodeNotFound }
