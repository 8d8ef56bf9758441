package platform

// CheckBook reads a price book for the tests.
func CheckBook(data []byte) error {
	_, err := parseBook(data)
	return err
}
