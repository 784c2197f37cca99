package engine

import (
	"archive/tar"
	"bytes"
	"strings"
	"testing"
)

func passwd(header tar.Header, text string) []byte {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	header.Name = "passwd"
	if header.Typeflag == tar.TypeReg {
		header.Size = int64(len(text))
	}
	w.WriteHeader(&header)
	w.Write([]byte(text))
	w.Close()
	return archive.Bytes()
}

func TestUsersAreLookedUpAsTheEngineDoes(t *testing.T) {
	file := tar.Header{Typeflag: tar.TypeReg}
	for _, c := range []struct {
		header tar.Header
		text   string
		uid    int
		ok     bool
	}{
		{file, "root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n", 1000, true},
		{file, "app:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n", 0, true}, // the first counts
		{file, "root:x:0:0::/:/bin/sh\n", 0, false},
		{file, "app:x:many:0::/:/bin/sh\n", 0, false},
		{file, "app\napp:x:1000:1000::/:/bin/sh\n", 0, false}, // the engine takes it for root
		{file, "app:x:99999999999999999999:0\n", 0, false},
		{file, "", 0, false},
		{file, strings.Repeat("#", 2*maxPasswd) + "\napp:x:1000:1000\n", 0, false},
		{tar.Header{Typeflag: tar.TypeSymlink, Linkname: "/data/passwd"}, "", 0, false},
	} {
		uid, ok := uidIn(bytes.NewReader(passwd(c.header, c.text)), "app")
		if uid != c.uid || ok != c.ok {
			t.Errorf("%.40q gave %d, %v", c.text, uid, ok)
		}
	}
}

func FuzzUidIn(f *testing.F) {
	f.Add(passwd(tar.Header{Typeflag: tar.TypeReg}, "app:x:1000:1000::/:/bin/sh\n"))
	f.Add([]byte("no archive"))
	f.Fuzz(func(t *testing.T, archive []byte) {
		if uid, ok := uidIn(bytes.NewReader(archive), "app"); !ok && uid != 0 {
			t.Errorf("a user that is not there has the id %d", uid)
		}
	})
}
