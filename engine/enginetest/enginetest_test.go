package enginetest_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/dockwire/dockwire/engine/enginetest"
)

func TestProbeRunsWithItsLabels(t *testing.T) {
	cli := enginetest.Client(t)
	image := enginetest.Probe(t, map[string]string{"enginetest.label": `a "quoted" $value`}, "EXPOSE 8123")
	inspect, err := cli.ImageInspect(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	if got := inspect.Config.Labels["enginetest.label"]; got != `a "quoted" $value` {
		t.Errorf("the label is %q", got)
	}
	if _, ok := inspect.Config.ExposedPorts["8123/tcp"]; !ok {
		t.Error("the instruction EXPOSE was not followed")
	}
	for want, command := range map[string][]string{
		"line 000001\nline 000002\n": {"lines", "-n", "2"},
		"aab\n":                      {"bytes", "stdout", "61*2,620a"},
	} {
		if got := output(t, image, command); got != want {
			t.Errorf("%q wrote %q, want %q", command, got, want)
		}
	}
}

func output(t *testing.T, image string, command []string) string {
	t.Helper()
	cli := enginetest.Client(t)
	made, err := cli.ContainerCreate(t.Context(), &container.Config{Image: image, Cmd: command}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer cli.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{Force: true})
	ended, failed := cli.ContainerWait(t.Context(), made.ID, container.WaitConditionNextExit)
	if err := cli.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case err := <-failed:
		t.Fatal(err)
	}
	logs, err := cli.ContainerLogs(t.Context(), made.ID, container.LogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	var out bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &out, logs); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
