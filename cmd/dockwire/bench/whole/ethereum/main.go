// Command ethereum is go-ethereum's rpc server with one method, docker_list,
// that answers with the containers of a file. It prints where it listens.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/dockwire/dockwire/client/api"
)

// Docker is the service.
type Docker struct{ containers []api.Container }

// List is called docker_list.
func (d Docker) List() []api.Container { return d.containers }

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	file, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	var service Docker
	if err := json.Unmarshal(file, &service.containers); err != nil {
		return err
	}
	server := rpc.NewServer()
	if err := server.RegisterName("docker", service); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	return http.Serve(listener, server.WebsocketHandler([]string{"*"}))
}
