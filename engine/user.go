package engine

import (
	"archive/tar"
	"bufio"
	"context"
	"io"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
)

// checkStrict refuses an image that the strict profile cannot run without root.
// What a user's name means is only known once there is a container; a passwd
// file in a volume is not the one that counts.
func checkStrict(s spec, volumes []volume) error {
	uid, numeric := s.image.uid()
	switch {
	case numeric && uid == 0:
		return rootRefused(s)
	case !numeric && len(volumes) > 0:
		return invalid("profile", "the image %s runs as %s, and the strict profile takes volumes only for a user that is a number: give its Dockerfile such a USER", quote(s.Image), quote(s.image.user))
	}
	return nil
}

func rootRefused(s spec) error {
	return invalid("profile", "the image %s runs as root, which the strict profile does not allow: give its Dockerfile a USER", quote(s.Image))
}

// uid gives the id of the image's user, if it is a number. None is root.
func (f facts) uid() (uid int, numeric bool) {
	user, _, _ := strings.Cut(f.user, ":")
	if user == "" {
		return 0, true
	}
	uid, err := strconv.Atoi(user)
	return uid, err == nil
}

// checkUser sees that a strict container whose user has a name does not run as
// root.
func (e *Engine) checkUser(ctx context.Context, id string, s spec) error {
	if _, numeric := s.image.uid(); !s.strict() || numeric {
		return nil
	}
	user, _, _ := strings.Cut(s.image.user, ":")
	uid, err := e.lookUpUser(ctx, id, s.Name, user)
	if err == nil && uid == 0 {
		err = rootRefused(s)
	}
	return err
}

func (e *Engine) lookUpUser(ctx context.Context, id, name, user string) (uid int, err error) {
	archive, _, err := e.cli.CopyFromContainer(ctx, id, "/etc/passwd")
	if err != nil && !errdefs.IsNotFound(err) {
		return 0, e.wrapMutation(err, kindContainer, name, "the user of %s could not be looked up", name)
	}
	if err == nil {
		defer archive.Close()
		if uid, ok := uidIn(archive, user); ok {
			return uid, nil
		}
	}
	return 0, invalid("profile", "the user %s of the image is not in its /etc/passwd, so that it may be root: give its Dockerfile a USER that is there, or a number", quote(user))
}

const maxPasswd = 1 << 20

// uidIn looks a user up in a passwd file that comes as an archive. The first
// entry counts, as it does for the engine, which takes one that is broken for
// root.
func uidIn(archive io.Reader, user string) (uid int, ok bool) {
	files := tar.NewReader(archive)
	header, err := files.Next()
	if err != nil || header.Typeflag != tar.TypeReg {
		return 0, false
	}
	lines := bufio.NewScanner(io.LimitReader(files, maxPasswd))
	for lines.Scan() {
		fields := strings.Split(strings.TrimSpace(lines.Text()), ":")
		if fields[0] != user {
			continue
		}
		if len(fields) > 2 {
			uid, err = strconv.Atoi(fields[2])
		}
		if len(fields) < 3 || err != nil {
			return 0, false
		}
		return uid, true
	}
	return 0, false
}
