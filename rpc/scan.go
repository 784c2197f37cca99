package rpc

import "errors"

var (
	errSyntax = errors.New("not a JSON text")
	errDepth  = errors.New("nested too deeply")
)

// scanner checks the grammar of one JSON text, exactly as encoding/json does,
// and finds where its values begin and end. It copies nothing.
type scanner struct {
	data  []byte
	pos   int
	depth int // levels that may still be opened
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// peek gives the next byte that is not white space, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.pos == len(s.data) {
		return 0
	}
	return s.data[s.pos]
}

// take steps over the next byte if it is c.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

// end says whether only white space is left.
func (s *scanner) end() bool {
	s.space()
	return s.pos == len(s.data)
}

// value steps over the next value and gives its bytes.
func (s *scanner) value() ([]byte, error) {
	first := s.peek()
	start := s.pos
	var err error
	switch {
	case first == '"':
		err = s.string()
	case first == '{':
		err = s.object(nil)
	case first == '[':
		err = s.list('[', ']', s.element)
	case first == 't':
		err = s.word("true")
	case first == 'f':
		err = s.word("false")
	case first == 'n':
		err = s.word("null")
	default:
		err = s.number()
	}
	return s.data[start:s.pos:s.pos], err
}

// object steps over an object and calls each for its members, in order; name is
// the string as it is written, with its quotes.
func (s *scanner) object(each func(name, value []byte) error) error {
	return s.list('{', '}', func() error {
		s.space()
		start := s.pos
		if err := s.string(); err != nil {
			return err
		}
		name := s.data[start:s.pos]
		if !s.take(':') {
			return errSyntax
		}
		value, err := s.value()
		if err == nil && each != nil {
			err = each(name, value)
		}
		return err
	})
}

func (s *scanner) element() error {
	_, err := s.value()
	return err
}

// list steps over what stands between first and last, separated by commas.
func (s *scanner) list(first, last byte, element func() error) error {
	if !s.take(first) {
		return errSyntax
	}
	if s.depth == 0 {
		return errDepth
	}
	s.depth--
	if s.take(last) {
		s.depth++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if s.take(last) {
			s.depth++
			return nil
		}
		if !s.take(',') {
			return errSyntax
		}
	}
}

func (s *scanner) string() error {
	if !s.skip('"') {
		return errSyntax
	}
	for ; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return nil
		case c == '\\':
			n := escape(s.data[s.pos+1:])
			if n == 0 {
				return errSyntax
			}
			s.pos += n
		case c < ' ':
			return errSyntax
		}
	}
	return errSyntax
}

// escape gives the length of the escape that follows a backslash, 0 if it is
// none.
func escape(rest []byte) int {
	if len(rest) == 0 {
		return 0
	}
	switch rest[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		if len(rest) > 4 && isHex(rest[1]) && isHex(rest[2]) && isHex(rest[3]) && isHex(rest[4]) {
			return 5
		}
	}
	return 0
}

func isHex(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (s *scanner) word(word string) error {
	if len(s.data)-s.pos < len(word) || string(s.data[s.pos:s.pos+len(word)]) != word {
		return errSyntax
	}
	s.pos += len(word)
	return nil
}

func (s *scanner) number() error {
	s.skip('-')
	if !s.skip('0') && !s.digits() {
		return errSyntax
	}
	if s.skip('.') && !s.digits() {
		return errSyntax
	}
	if s.skip('e') || s.skip('E') {
		if !s.skip('+') {
			s.skip('-')
		}
		if !s.digits() {
			return errSyntax
		}
	}
	return nil
}

// skip steps over the very next byte if it is c.
func (s *scanner) skip(c byte) bool {
	if s.pos == len(s.data) || s.data[s.pos] != c {
		return false
	}
	s.pos++
	return true
}

// digits steps over one digit or more.
func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && isDigit(s.data[s.pos]) {
		s.pos++
	}
	return s.pos > start
}
