package diag

// kinds gives each kind its name in documents and the HTTP status of an answer that carries it.
var kinds = [...]struct {
	name   string
	status int
}{
	Internal:    {"internal", 500},
	Invalid:     {"invalid", 422},
	Usage:       {"usage", 400},
	Infeasible:  {"infeasible", 422},
	Limit:       {"limit", 403},
	NotFound:    {"not-found", 404},
	Conflict:    {"conflict", 409},
	Unavailable: {"unavailable", 503},
	Interrupted: {"interrupted", 499}, // the client closed the request; no IANA status says so
}

// String gives the kind's name in documents, as in "not-found".
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kinds) {
		return kinds[Internal].name
	}
	return kinds[k].name
}

// ParseKind finds a kind by its name; Internal when there is none of that name.
func ParseKind(name string) Kind {
	for k, row := range kinds {
		if row.name == name {
			return Kind(k)
		}
	}
	return Internal
}

// HTTPStatus maps an error to the status of an HTTP answer; 500 when err carries no diagnostic.
func HTTPStatus(err error) int {
	if e := As(err); e != nil && e.Kind >= 0 && int(e.Kind) < len(kinds) {
		return kinds[e.Kind].status
	}
	return kinds[Internal].status
}
