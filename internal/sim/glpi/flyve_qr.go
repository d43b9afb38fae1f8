package glpi

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
)

// qrPNG draws a text as a QR code with error correction level L.
func qrPNG(text string) ([]byte, error) {
	code, err := newQR([]byte(text))
	if err != nil {
		return nil, err
	}
	const scale, quiet = 4, 4
	side := (code.size + 2*quiet) * scale
	img := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for y := range side {
		for x := range side {
			row, col := y/scale-quiet, x/scale-quiet
			if row >= 0 && row < code.size && col >= 0 && col < code.size && code.dark[row][col] {
				img.SetColorIndex(x, y, 1)
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return nil, fmt.Errorf("encoding a QR code: %w", err)
	}
	return b.Bytes(), nil
}

// Error correction codewords a block, and blocks, of level L by version from 1 to 40.
var (
	qrCorrection = [...]int{
		7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28,
		28, 28, 30, 30, 26, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30,
	}
	qrBlocks = [...]int{
		1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8,
		8, 9, 9, 10, 12, 12, 12, 13, 14, 15, 16, 17, 18, 19, 19, 20, 21, 22, 24, 25,
	}
)

// qr is a code that is being drawn: which modules are dark, and which carry data.
type qr struct {
	version, size int
	dark, fixed   [][]bool
}

// newQR makes a code of the smallest version that holds the data as bytes.
func newQR(data []byte) (*qr, error) {
	version := 1
	for ; version <= 40; version++ {
		header := 2 // in bytes: mode and length
		if version >= 10 {
			header = 3
		}
		if len(data)+header <= qrCapacity(version) {
			break
		}
	}
	if version > 40 {
		return nil, errors.New("the text is too long for a QR code")
	}
	q := &qr{version: version, size: version*4 + 17}
	for range q.size {
		q.dark = append(q.dark, make([]bool, q.size))
		q.fixed = append(q.fixed, make([]bool, q.size))
	}
	q.drawPatterns()
	q.drawData(qrInterleave(version, qrEncode(version, data)))
	return q, nil
}

// qrModules is the number of modules that carry data and error correction.
func qrModules(version int) int {
	n := (16*version+128)*version + 64
	if version >= 2 {
		align := version/7 + 2
		n -= (25*align-10)*align - 55
		if version >= 7 {
			n -= 36
		}
	}
	return n
}

// qrCapacity is the number of data codewords.
func qrCapacity(version int) int {
	return qrModules(version)/8 - qrCorrection[version-1]*qrBlocks[version-1]
}

// qrEncode is the data with its header in byte mode, padded to the version's capacity.
func qrEncode(version int, data []byte) []byte {
	var bits []bool
	put := func(value, n int) {
		for i := n - 1; i >= 0; i-- {
			bits = append(bits, value>>i&1 == 1)
		}
	}
	put(4, 4)
	if version < 10 {
		put(len(data), 8)
	} else {
		put(len(data), 16)
	}
	for _, b := range data {
		put(int(b), 8)
	}
	put(0, 4)
	words := make([]byte, (len(bits)+7)/8)
	for i, bit := range bits {
		if bit {
			words[i/8] |= 0x80 >> (i % 8)
		}
	}
	capacity := qrCapacity(version)
	words = words[:min(len(words), capacity)]
	for pad := byte(0xEC); len(words) < capacity; pad ^= 0xEC ^ 0x11 {
		words = append(words, pad)
	}
	return words
}

// qrInterleave splits the data into blocks, adds their error correction and mixes them.
func qrInterleave(version int, data []byte) []byte {
	blocks, correction := qrBlocks[version-1], qrCorrection[version-1]
	total := qrModules(version) / 8
	short, shortLength := blocks-total%blocks, total/blocks-correction
	generator := qrGenerator(correction)
	var parts, checks [][]byte
	for i, at := 0, 0; i < blocks; i++ {
		length := shortLength
		if i >= short {
			length++
		}
		parts = append(parts, data[at:at+length])
		checks = append(checks, qrRemainder(data[at:at+length], generator))
		at += length
	}
	mixed := make([]byte, 0, total)
	for i := 0; i <= shortLength; i++ {
		for _, part := range parts {
			if i < len(part) {
				mixed = append(mixed, part[i])
			}
		}
	}
	for i := range correction {
		for _, check := range checks {
			mixed = append(mixed, check[i])
		}
	}
	return mixed
}

// qrMultiply multiplies in the field of 256 elements.
func qrMultiply(a, b byte) byte {
	product := 0
	for i := 7; i >= 0; i-- {
		product = product<<1 ^ product>>7*0x11D
		product ^= int(b>>i&1) * int(a)
	}
	return byte(product)
}

func qrGenerator(degree int) []byte {
	result := make([]byte, degree)
	result[degree-1] = 1
	root := byte(1)
	for range degree {
		for j := range result {
			result[j] = qrMultiply(result[j], root)
			if j+1 < degree {
				result[j] ^= result[j+1]
			}
		}
		root = qrMultiply(root, 2)
	}
	return result
}

func qrRemainder(data, generator []byte) []byte {
	result := make([]byte, len(generator))
	for _, b := range data {
		factor := b ^ result[0]
		copy(result, result[1:])
		result[len(result)-1] = 0
		for i := range result {
			result[i] ^= qrMultiply(generator[i], factor)
		}
	}
	return result
}

func (q *qr) set(row, col int, dark bool) {
	if row >= 0 && row < q.size && col >= 0 && col < q.size {
		q.dark[row][col], q.fixed[row][col] = dark, true
	}
}

// drawPatterns draws all that carries no data.
func (q *qr) drawPatterns() {
	for i := range q.size {
		q.set(6, i, i%2 == 0)
		q.set(i, 6, i%2 == 0)
	}
	for _, corner := range [][2]int{{3, 3}, {3, q.size - 4}, {q.size - 4, 3}} {
		q.drawSquares(corner[0], corner[1], 4)
	}
	places := q.alignment()
	for i, row := range places {
		for j, col := range places {
			if last := len(places) - 1; !(i == 0 && j == 0 || i == 0 && j == last || i == last && j == 0) {
				q.drawSquares(row, col, 2)
			}
		}
	}
	q.drawFormat()
	q.drawVersion()
}

// drawSquares draws the nested squares of a finder (radius 4, of which the outermost is light) or an alignment pattern (2).
func (q *qr) drawSquares(row, col, radius int) {
	for dy := -radius; dy <= radius; dy++ {
		for dx := -radius; dx <= radius; dx++ {
			ring := max(dy, -dy, dx, -dx)
			dark := ring != 2 && ring != 4
			if radius == 2 {
				dark = ring != 1
			}
			q.set(row+dy, col+dx, dark)
		}
	}
}

func (q *qr) alignment() []int {
	if q.version == 1 {
		return nil
	}
	n := q.version/7 + 2
	step := (q.version*8 + n*3 + 5) / (n*4 - 4) * 2
	places := make([]int, n)
	places[0] = 6
	for i, at := n-1, q.size-7; i > 0; i, at = i-1, at-step {
		places[i] = at
	}
	return places
}

// drawFormat writes level L and mask 0, twice.
func (q *qr) drawFormat() {
	data := 1 << 3
	rest := data
	for range 10 {
		rest = rest<<1 ^ rest>>9*0x537
	}
	bits := (data<<10 | rest) ^ 0x5412
	bit := func(i int) bool { return bits>>i&1 == 1 }
	for i := 0; i <= 5; i++ {
		q.set(i, 8, bit(i))
	}
	q.set(7, 8, bit(6))
	q.set(8, 8, bit(7))
	q.set(8, 7, bit(8))
	for i := 9; i < 15; i++ {
		q.set(8, 14-i, bit(i))
	}
	for i := range 8 {
		q.set(8, q.size-1-i, bit(i))
	}
	for i := 8; i < 15; i++ {
		q.set(q.size-15+i, 8, bit(i))
	}
	q.set(q.size-8, 8, true)
}

func (q *qr) drawVersion() {
	if q.version < 7 {
		return
	}
	rest := q.version
	for range 12 {
		rest = rest<<1 ^ rest>>11*0x1F25
	}
	bits := q.version<<12 | rest
	for i := range 18 {
		a, b := q.size-11+i%3, i/3
		q.set(b, a, bits>>i&1 == 1)
		q.set(a, b, bits>>i&1 == 1)
	}
}

// drawData fills the free modules in the zigzag of the standard and inverts those that mask 0 names.
func (q *qr) drawData(words []byte) {
	i := 0
	for right := q.size - 1; right >= 1; right -= 2 {
		if right == 6 {
			right = 5
		}
		for vertical := range q.size {
			for _, col := range []int{right, right - 1} {
				row := vertical
				if (right+1)&2 == 0 {
					row = q.size - 1 - vertical
				}
				if q.fixed[row][col] {
					continue
				}
				dark := i < len(words)*8 && words[i/8]>>(7-i%8)&1 == 1
				q.dark[row][col] = dark != ((row+col)%2 == 0)
				i++
			}
		}
	}
}
