package serve

import "io"

// writeEach returns what writes pieces to w, one after another.
func writeEach(w io.Writer) func(pieces [][]byte) error {
	return func(pieces [][]byte) error {
		for _, b := range pieces {
			if len(b) == 0 {
				continue
			}
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
		return nil
	}
}
