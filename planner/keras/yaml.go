package keras

func decodeYAML(text []byte) (any, error) { return nil, badConfig("yaml") }
