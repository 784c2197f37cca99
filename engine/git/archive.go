package git

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// WriteTar writes the files of the snapshot, its directories and symbolic links
// as a tar stream, leaving out the paths that keep refuses. What it writes
// depends on the commit alone: all times are the commit's, all owners root.
func (s *Snapshot) WriteTar(ctx context.Context, w io.Writer, keep func(path string) (bool, error)) error {
	tw := tar.NewWriter(w)
	for _, p := range s.parts {
		if err := s.writePart(ctx, tw, p, keep); err != nil {
			return err
		}
	}
	return tw.Close()
}

func (s *Snapshot) writePart(ctx context.Context, tw *tar.Writer, p part, keep func(string) (bool, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pr, pw := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		pw.CloseWithError(p.repo.run(ctx, pw, "archive", "--format=tar", p.tree))
	}()
	err := s.copyTar(tw, tar.NewReader(pr), p.prefix, keep)
	if err == nil {
		_, err = io.Copy(io.Discard, pr) // the padding, without which git would not end well
	}
	pr.CloseWithError(err)
	<-ended
	return err
}

func (s *Snapshot) copyTar(tw *tar.Writer, tr *tar.Reader, prefix string, keep func(string) (bool, error)) error {
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		name := prefix + strings.TrimSuffix(h.Name, "/")
		kept, err := keep(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if kept {
			if err := s.copyEntry(tw, tr, h, prefix); err != nil {
				return err
			}
		}
	}
}

func (s *Snapshot) copyEntry(tw *tar.Writer, tr *tar.Reader, h *tar.Header, prefix string) error {
	out := &tar.Header{
		Typeflag: h.Typeflag,
		Name:     prefix + h.Name,
		Linkname: h.Linkname,
		Size:     h.Size,
		Mode:     h.Mode,
		ModTime:  s.Time,
	}
	if err := tw.WriteHeader(out); err != nil {
		return err
	}
	_, err := io.Copy(tw, tr)
	return err
}
