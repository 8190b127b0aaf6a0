package es

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/esnap/esnap/internal/cluster"
)

// Bounds of a successful reply. The largest real one, a listing of 400 snapshots of 5,000
// indices with their contents, has about 60 MB and no value above 200 kB. A test lowers
// them.
var (
	maxReply   int64 = 512 << 20 // bytes in all
	maxValue   int64 = 32 << 20  // bytes that wait to be decoded: of one name or one value
	maxMembers       = 1 << 20   // members of one object, elements of one list

	maxBlank int64 = 1 << 20 // bytes of nothing but white space, which the decoder reads again and again
)

var errTooLarge = errors.New("the reply is too large")

// stream is the reply of a server, decoded value by value.
type stream struct {
	*json.Decoder
	r     io.Reader
	read  int64
	blank int64
	learn func(uuid string) error // records the cluster that the reply names
}

// Read implements io.Reader for the decoder: it bounds what is read.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.read += int64(n)
	if s.blank += int64(n); len(bytes.TrimLeft(p[:n], " \t\r\n")) > 0 {
		s.blank = 0
	}
	switch {
	case s.blank > maxBlank:
		return n, fmt.Errorf("%w: more than %d MiB of white space", errTooLarge, maxBlank>>20)
	case s.read > maxReply:
		return n, fmt.Errorf("%w: more than %d MiB", errTooLarge, maxReply>>20)
	case s.Decoder != nil && s.read-s.InputOffset() > maxValue+int64(len(p)):
		return n, fmt.Errorf("%w: a value of more than %d MiB", errTooLarge, maxValue>>20)
	}
	return n, err
}

// decodeReply decodes a reply to its end, so that the connection can be used again.
func decodeReply(r io.Reader, learn func(uuid string) error, decode func(*stream) error) error {
	s := &stream{r: r, learn: learn}
	s.Decoder = json.NewDecoder(s)
	if err := decode(s); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, io.LimitReader(r, maxErrorBody))
	return err
}

// field is a member of a reply's object, and the variable for its value.
type field struct {
	key string
	to  any
}

// fields decodes members of a reply. The first one is in every reply to this request: a
// body without it, such as {} or an error or log-in page that a proxy sends with status
// 200, is not a valid reply.
func fields(first field, others ...field) func(*stream) error {
	return func(s *stream) error {
		found := false
		err := s.object(func(key string) error {
			if key == first.key {
				found = true
				return s.Decode(first.to)
			}
			for _, f := range others {
				if f.key == key {
					return s.Decode(f.to)
				}
			}
			return s.skip()
		})
		if err == nil && !found {
			err = lacks(first.key)
		}
		return err
	}
}

// errLacks means that a reply does not contain what every reply to its request contains.
var errLacks = errors.New("it is not a reply to this request")

func lacks(key string) error { return fmt.Errorf("%w: %q is missing", errLacks, key) }

// whole decodes a reply with unknown members.
func whole(v any) func(*stream) error {
	return func(s *stream) error {
		var raw json.RawMessage
		if err := s.Decode(&raw); err != nil {
			return err
		}
		if string(raw) == "null" {
			return errLacks
		}
		return json.Unmarshal(raw, v)
	}
}

// acknowledged requires a reply that a write is or will be carried out. If the server only
// reports that it did not see the end in time, the reply counts as lost.
func acknowledged(s *stream) error {
	said, yes := false, false
	err := s.object(func(key string) error {
		switch key {
		case "acknowledged", "accepted":
			said = true
			return s.Decode(&yes)
		case "snapshot": // of a server that was asked not to wait, and ended at once
			said, yes = true, true
		}
		return s.skip()
	})
	switch {
	case err != nil:
		return err
	case !said:
		return lacks("acknowledged")
	case !yes:
		return &cluster.Error{Kind: cluster.ErrLost, Text: "the server did not confirm the change in time"}
	}
	return nil
}

// object walks a JSON object's members without holding them all.
func (s *stream) object(member func(key string) error) error {
	return s.walk('{', func() error {
		t, err := s.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string)
		return member(key)
	})
}

// array walks a JSON array's elements without holding them all; null is an empty one.
func (s *stream) array(element func() error) error { return s.walk('[', element) }

func (s *stream) walk(open json.Delim, one func() error) error {
	switch t, err := s.Token(); {
	case err != nil:
		return err
	case t == nil && open == '[':
		return nil
	case t != open:
		return fmt.Errorf("%w: expected %s", errLacks, open)
	}
	for n := 0; s.More(); n++ {
		if n == maxMembers {
			return fmt.Errorf("%w: more than %d members in one object", errTooLarge, maxMembers)
		}
		if err := one(); err != nil {
			return err
		}
	}
	_, err := s.Token()
	return err
}

// skip passes over a value without holding it.
func (s *stream) skip() error {
	for depth, n := 0, 0; ; n++ {
		t, err := s.Token()
		switch {
		case err != nil:
			return err
		case n == maxMembers:
			return fmt.Errorf("%w: more than %d tokens in one value", errTooLarge, maxMembers)
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}
