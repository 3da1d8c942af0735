package codec

import "reflect"

// survey looks at all that a type leads to.
func (n *node) survey() {
	s := surveyor{seen: make(map[*node]bool)}
	s.visit(n)
	n.texts, n.positional = min(s.texts, 2), s.positional
}

type surveyor struct {
	seen       map[*node]bool
	texts      int
	positional bool
}

// visit goes as far as the plan itself does: not into what has methods of its own, nor behind an interface.
func (s *surveyor) visit(n *node) {
	if n == nil || s.seen[n] || n.encMethod != "" || n.decMethod != "" {
		return
	}
	texts := s.texts
	switch n.typ.Kind() {
	case reflect.String:
		s.texts++
		return // there may be another
	case reflect.Struct:
		s.positional = s.positional || n.fields != nil && n.fields.positional && !n.fields.asArray
	}
	s.seen[n] = true
	if _, _, named := namedFuncs(n.typ); named {
		s.texts += 2
	}
	s.visit(n.key)
	s.visit(n.elem)
	if s.texts > texts && n.typ.Kind() != reflect.Pointer {
		s.texts++ // there are any number of elements
	}
	if n.fields != nil {
		for _, f := range n.fields.list {
			s.visit(f.node)
		}
	}
}
