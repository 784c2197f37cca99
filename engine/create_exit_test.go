package engine

import (
	"testing"

	"github.com/dockwire/dockwire/client/api"
)

// A container whose process ends at once is there all the same.
func TestAContainerThatEndsAtOnceIsCreated(t *testing.T) {
	f := setUp(t)
	image := f.build("app")
	for i := range 20 {
		restart := []string{"no", "unless-stopped"}[i%2]
		c, err := f.Create(t.Context(), api.CreateParams{Image: image, Name: f.name("brief"),
			Command: []string{"exit", "3"}, Restart: restart, Port: ptr(0)}, "test")
		if err != nil {
			t.Fatal(err)
		}
		if c.State == api.StateCreated {
			t.Errorf("it is %s", c.State)
		}
		f.remove(c.Name, false)
	}
}
