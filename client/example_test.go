package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/dockwire/dockwire/client"
	"github.com/dockwire/dockwire/client/api"
)

// Build an image, run it, and read what it writes until it is removed.
func Example() {
	ctx := context.Background()
	var c client.Client // the daemon of this machine
	defer c.Close()

	_, err := c.Build(ctx, api.BuildParams{Name: "gamebackend", URL: "https://example.com/game.git"}, func(out api.Output) {
		for _, line := range out.Lines {
			fmt.Println(line.Text)
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	container, err := c.Create(ctx, api.CreateParams{Image: "gamebackend", Name: "prodbackend", Environment: map[string]string{"MODE": "prod"}})
	if errors.Is(err, api.CodeConflict) {
		log.Fatal("it is there already")
	} else if err != nil {
		log.Fatal(err)
	}
	fmt.Println("it serves", container.URL)

	for out, err := range c.FollowLogs(ctx, container.Name, api.LogsParams{Tail: api.TailLines(100)}) {
		if err != nil {
			log.Fatal(err)
		}
		for _, line := range out.Lines {
			fmt.Println(line.Time, line.Text)
		}
	}
}

// Watch every container.
func ExampleClient_FollowList() {
	c := client.Client{URL: "wss://dockwire.example.com", Token: "…"}
	defer c.Close()
	for out, err := range c.FollowList(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		for _, container := range out.Containers {
			fmt.Println(container.Name, container.State)
		}
	}
}
