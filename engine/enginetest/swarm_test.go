package enginetest

import (
	"testing"

	"github.com/docker/docker/api/types/swarm"
)

func TestASwarmHasThreeNodesAndARegistry(t *testing.T) {
	s := NewSwarm(t, 2)
	nodes, err := s.Nodes[1].Client().NodeList(t.Context(), swarm.NodeListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes) != 3 {
		t.Errorf("there are %d nodes", len(nodes))
	}
}
