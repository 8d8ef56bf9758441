package keras

// DecodeYAML is what the tests of YAML itself use.
var DecodeYAML = decodeYAML
