package hdf5

import (
	"encoding/binary"
	"math/bits"
)

// checksum is Bob Jenkins's lookup3 hash ("hashlittle", 2006, initial value 0), with which version 2 metadata is
// protected.
func checksum(b []byte) uint32 {
	x := 0xdeadbeef + uint32(len(b))
	y, z := x, x
	for len(b) > 12 {
		x += binary.LittleEndian.Uint32(b)
		y += binary.LittleEndian.Uint32(b[4:])
		z += binary.LittleEndian.Uint32(b[8:])
		x = (x - z) ^ bits.RotateLeft32(z, 4)
		z += y
		y = (y - x) ^ bits.RotateLeft32(x, 6)
		x += z
		z = (z - y) ^ bits.RotateLeft32(y, 8)
		y += x
		x = (x - z) ^ bits.RotateLeft32(z, 16)
		z += y
		y = (y - x) ^ bits.RotateLeft32(x, 19)
		x += z
		z = (z - y) ^ bits.RotateLeft32(y, 4)
		y += x
		b = b[12:]
	}
	if len(b) == 0 {
		return z
	}
	var last [12]byte
	copy(last[:], b)
	x += binary.LittleEndian.Uint32(last[:])
	y += binary.LittleEndian.Uint32(last[4:])
	z += binary.LittleEndian.Uint32(last[8:])
	z = (z ^ y) - bits.RotateLeft32(y, 14)
	x = (x ^ z) - bits.RotateLeft32(z, 11)
	y = (y ^ x) - bits.RotateLeft32(x, 25)
	z = (z ^ y) - bits.RotateLeft32(y, 16)
	x = (x ^ z) - bits.RotateLeft32(z, 4)
	y = (y ^ x) - bits.RotateLeft32(x, 14)
	z = (z ^ y) - bits.RotateLeft32(y, 24)
	return z
}

// intact tells whether version 2 metadata has the checksum stored with it.
func (f *File) intact(b []byte, stored uint32) bool { return f.trusting || checksum(b) == stored }

// fletcher32 is the checksum of HDF5's filter of that name: Fletcher's sums over 16-bit words taken high byte first, an
// odd last byte as the high byte of a word.
func fletcher32(b []byte) uint32 {
	var low, high uint32
	words := len(b) / 2
	for i := 0; words > 0; {
		n := min(words, 360) // as many as cannot overflow
		words -= n
		for ; n > 0; n-- {
			low += uint32(b[i])<<8 | uint32(b[i+1])
			high += low
			i += 2
		}
		low = low&0xffff + low>>16
		high = high&0xffff + high>>16
	}
	if len(b)%2 == 1 {
		low += uint32(b[len(b)-1]) << 8
		high += low
		low = low&0xffff + low>>16
		high = high&0xffff + high>>16
	}
	low = low&0xffff + low>>16
	high = high&0xffff + high>>16
	return high<<16 | low
}
