package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/docker/go-units"
	"github.com/spf13/pflag"
)

// sizeValue is a flag for a number of bytes, such as 64k, 512m or 1g.
type sizeValue[T int | int64] struct{ bytes *T }

func sizeFlag[T int | int64](bytes *T) pflag.Value { return sizeValue[T]{bytes} }

func (s sizeValue[T]) Set(text string) error {
	n, err := units.RAMInBytes(text)
	if err != nil || n < 0 || int64(T(n)) != n {
		return fmt.Errorf("a size is wanted, such as 64k, 512m or 1g")
	}
	*s.bytes = T(n)
	return nil
}

func (s sizeValue[T]) String() string {
	if s.bytes == nil || *s.bytes == 0 {
		return ""
	}
	return units.BytesSize(float64(*s.bytes))
}

func (s sizeValue[T]) Type() string { return "size" }

// variable is the environment variable that stands for a flag.
func variable(flag string) string {
	return "DOCKWIRE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment sets the flags that were not given from the environment. In
// the variable of a repeatable flag a comma stands between the values.
func fromEnvironment(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(flag *pflag.Flag) {
		value := os.Getenv(variable(flag.Name))
		if value == "" || flag.Changed || err != nil {
			return
		}
		if failed := flags.Set(flag.Name, value); failed != nil {
			err = usagef("%s=%q: %s", variable(flag.Name), value, failed)
		}
	})
	return err
}
