package s3

import "hash/crc32"

// combineCRC32 gives the checksum of two pieces of data one after the other from the checksums of both and the length
// of the second.
//
// A checksum is a remainder of polynomials over the field of two elements, so that appending n zero bits multiplies it
// by x^n. x^n modulo the polynomial is found by repeated squaring, hence in a number of steps that grows with the
// logarithm of the length (D. E. Knuth, The Art of Computer Programming, volume 2, section 4.6.3).
func combineCRC32(first, second uint32, secondBytes int64) uint32 {
	factor := uint32(1 << 31) // x^0, bits reversed as in the IEEE checksum
	square := uint32(1 << 23) // x^8: one byte
	for n := secondBytes; n > 0; n >>= 1 {
		if n&1 == 1 {
			factor = multiply(factor, square)
		}
		square = multiply(square, square)
	}
	return multiply(first, factor) ^ second
}

// multiply multiplies two polynomials modulo the IEEE polynomial; the coefficient of x^0 is the highest bit.
func multiply(a, b uint32) uint32 {
	var product uint32
	for bit := uint32(1 << 31); bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		if b&1 == 1 {
			b = b>>1 ^ crc32.IEEE
		} else {
			b >>= 1
		}
	}
	return product
}
