//go:build libhdf5 && linux

#include "shim.h"
#include <stdlib.h>
#include <string.h>

// LZF (h5py's filter 32000). A control byte below 32 is followed by that many and one literal bytes; any other one holds the
// length of a repetition in its upper three bits (7: the next byte adds to it; two are always added) and the upper bits of
// how far back it starts in the lower five (the next byte has the rest; one is added). Gives the bytes written, 0 when the
// input is damaged, and more than room when they do not fit.
static size_t expand_lzf(const unsigned char *in, size_t n, unsigned char *out, size_t room)
{
	size_t at = 0;
	for (size_t i = 0; i < n;) {
		unsigned control = in[i++];
		if (control < 32) {
			size_t run = control + 1;
			if (run > n - i)
				return 0;
			if (run > room - at)
				return room + 1;
			memcpy(out + at, in + i, run);
			at += run;
			i += run;
			continue;
		}
		size_t run = control >> 5;
		if (run == 7) {
			if (i >= n)
				return 0;
			run += in[i++];
		}
		run += 2;
		if (i >= n)
			return 0;
		size_t back = ((size_t)(control & 31) << 8 | in[i++]) + 1;
		if (back > at)
			return 0;
		if (run > room - at)
			return room + 1;
		for (; run > 0; run--, at++) // byte by byte: the repetition may overlap itself
			out[at] = out[at - back];
	}
	return at;
}

#define LZF_MAX ((size_t)1 << 30)

static size_t lzf_filter(unsigned flags, size_t values_count, const unsigned values[], size_t n, size_t *size, void **buffer)
{
	if (!(flags & H5Z_FLAG_REVERSE))
		return 0; // nothing is written here
	size_t room = values_count >= 3 && values[2] > 0 ? values[2] : n * 4; // the third value is the size of a chunk
	for (; room <= LZF_MAX; room *= 2) {
		unsigned char *out = H5allocate_memory(room ? room : 1, 0);
		if (out == NULL)
			return 0;
		size_t got = expand_lzf(*buffer, n, out, room);
		if (got > 0 && got <= room) {
			H5free_memory(*buffer);
			*buffer = out;
			*size = room;
			return got;
		}
		H5free_memory(out);
		if (got == 0)
			return 0;
	}
	return 0;
}

static const H5Z_class2_t lzf_class = {H5Z_CLASS_T_VERS, 32000, 0, 1, "lzf", NULL, NULL, lzf_filter};

// shim_prepare closes the ways out of the one file, and silences the library, which writes what fails to standard error. The
// silence is that of the calling thread.
int shim_prepare(void)
{
	if (H5Eset_auto2(H5E_DEFAULT, NULL, NULL) < 0 || H5PLset_loading_state(0) < 0 || H5Zregister(&lzf_class) < 0)
		return -1;
	return H5Lunregister(H5L_TYPE_EXTERNAL);
}

typedef struct {
	char *text;
	size_t size;
} error_text;

static herr_t first_error(unsigned n, const H5E_error2_t *e, void *data)
{
	error_text *to = data;
	if (n == 0 && e->desc != NULL) {
		strncpy(to->text, e->desc, to->size - 1);
		to->text[to->size - 1] = 0;
	}
	return 0;
}

// shim_error gives the innermost of the errors that the last call left, or nothing.
void shim_error(char *text, size_t size)
{
	error_text to = {text, size};
	text[0] = 0;
	H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first_error, &to);
}

// append gives room for a record, NULL when the list is full or there is no memory.
static unsigned char *append(shim_list *l, size_t n)
{
	if (n > l->limit || l->length > l->limit - n) {
		l->full = 1;
		return NULL;
	}
	if (l->length + n > l->capacity) {
		size_t capacity = l->capacity * 2 + n + 256;
		unsigned char *data = realloc(l->data, capacity);
		if (data == NULL)
			return NULL;
		l->data = data;
		l->capacity = capacity;
	}
	unsigned char *record = l->data + l->length;
	l->length += n;
	return record;
}

int shim_address_bytes(hid_t file)
{
	size_t address = 0, length = 0;
	hid_t plist = H5Fget_create_plist(file);
	if (plist < 0)
		return -1;
	int result = H5Pget_sizes(plist, &address, &length);
	H5Pclose(plist);
	return result < 0 ? -1 : (int)address;
}

int shim_kind(hid_t file, const char *path)
{
	hid_t object = H5Oopen(file, path, H5P_DEFAULT);
	if (object < 0)
		return -1;
	int kind = H5Iget_type(object);
	H5Oclose(object);
	return kind;
}

static herr_t add_link(hid_t group, const char *name, const H5L_info_t *info, void *data)
{
	size_t n = strlen(name) + 1;
	unsigned char *record = append(data, 1 + 8 + n);
	if (record == NULL)
		return -1;
	uint64_t address = info->type == H5L_TYPE_HARD ? info->u.address : 0;
	record[0] = info->type == H5L_TYPE_HARD ? 0 : info->type == H5L_TYPE_SOFT ? 1 : info->type == H5L_TYPE_EXTERNAL ? 2 : 3;
	memcpy(record + 1, &address, 8);
	memcpy(record + 9, name, n);
	return 0;
}

int shim_links(hid_t group, shim_list *list)
{
	return H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, add_link, list);
}

static herr_t add_attribute(hid_t object, const char *name, const H5A_info_t *info, void *data)
{
	size_t n = strlen(name) + 1;
	unsigned char *record = append(data, n);
	if (record == NULL)
		return -1;
	memcpy(record, name, n);
	return 0;
}

int shim_attributes(hid_t object, shim_list *list)
{
	return H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, add_attribute, list);
}

hid_t shim_attribute(hid_t object, const char *name) { return H5Aopen(object, name, H5P_DEFAULT); }
hid_t shim_attribute_type(hid_t attribute) { return H5Aget_type(attribute); }
hid_t shim_attribute_space(hid_t attribute) { return H5Aget_space(attribute); }
int shim_attribute_read(hid_t attribute, hid_t type, void *to) { return H5Aread(attribute, type, to); }
void shim_attribute_close(hid_t attribute) { H5Aclose(attribute); }
hid_t shim_dataset_type(hid_t dataset) { return H5Dget_type(dataset); }
hid_t shim_base_type(hid_t type) { return H5Tget_super(type); }
void shim_type_close(hid_t type) { H5Tclose(type); }
void shim_space_close(hid_t space) { H5Sclose(space); }

int shim_describe_type(hid_t type, shim_type *to)
{
	memset(to, 0, sizeof *to);
	to->class = H5Tget_class(type);
	to->size = H5Tget_size(type);
	if (to->class < 0 || to->size == 0)
		return -1;
	to->indirect = H5Tdetect_class(type, H5T_VLEN) > 0 || H5Tdetect_class(type, H5T_REFERENCE) > 0;
	switch (to->class) {
	case H5T_INTEGER:
	case H5T_BITFIELD:
	case H5T_FLOAT: {
		H5T_order_t order = H5Tget_order(type);
		to->order = order == H5T_ORDER_LE ? 0 : order == H5T_ORDER_BE ? 1 : 2;
		to->precision = H5Tget_precision(type);
		to->offset = H5Tget_offset(type);
		if (to->class == H5T_INTEGER)
			to->sign = H5Tget_sign(type) == H5T_SGN_2;
		if (to->class == H5T_FLOAT) {
			if (H5Tget_fields(type, &to->sign_at, &to->exponent_at, &to->exponent_bits, &to->mantissa_at, &to->mantissa_bits) < 0)
				return -1;
			to->exponent_bias = H5Tget_ebias(type);
			to->implied = H5Tget_norm(type) == H5T_NORM_IMPLIED;
		}
		break;
	}
	case H5T_STRING: {
		htri_t variable = H5Tis_variable_str(type);
		if (variable < 0)
			return -1;
		to->variable = variable > 0;
		to->indirect |= to->variable;
		to->padding = H5Tget_strpad(type);
		break;
	}
	case H5T_OPAQUE: {
		char *tag = H5Tget_tag(type);
		if (tag != NULL) {
			strncpy(to->tag, tag, sizeof to->tag - 1);
			H5free_memory(tag);
		}
		break;
	}
	default:
		break;
	}
	return 0;
}

int shim_describe_space(hid_t space, shim_space *to)
{
	memset(to, 0, sizeof *to);
	H5S_class_t class = H5Sget_simple_extent_type(space);
	if (class == H5S_NO_CLASS)
		return -1;
	to->null = class == H5S_NULL;
	if (class != H5S_SIMPLE)
		return 0;
	to->rank = H5Sget_simple_extent_ndims(space);
	if (to->rank < 0 || to->rank > SHIM_RANK)
		return -1;
	hsize_t dims[SHIM_RANK];
	if (to->rank > 0 && H5Sget_simple_extent_dims(space, dims, NULL) < 0)
		return -1;
	for (int i = 0; i < to->rank; i++)
		to->dims[i] = dims[i];
	return 0;
}

static int describe_plist(hid_t plist, shim_storage *to)
{
	H5D_layout_t layout = H5Pget_layout(plist);
	int external = H5Pget_external_count(plist);
	if (layout < 0 || external < 0)
		return -1;
	to->external = external > 0;
	to->virtual = layout == H5D_VIRTUAL;
	to->chunked = layout == H5D_CHUNKED;
	if (to->chunked) {
		hsize_t chunk[SHIM_RANK];
		int rank = H5Pget_chunk(plist, SHIM_RANK, chunk);
		if (rank < 0 || rank > SHIM_RANK)
			return -1;
		for (int i = 0; i < rank; i++)
			to->chunk[i] = chunk[i];
	}
	int filters = H5Pget_nfilters(plist);
	if (filters < 0 || filters > SHIM_FILTERS)
		return -1;
	to->filters = filters;
	for (int i = 0; i < filters; i++) {
		unsigned flags = 0, config = 0;
		size_t values = 0;
		to->filter[i] = H5Pget_filter2(plist, i, &flags, &values, NULL, 0, NULL, &config);
		if (to->filter[i] < 0)
			return -1;
		to->filter_available[i] = H5Zfilter_avail(to->filter[i]) > 0;
	}
	return 0;
}

int shim_describe_storage(hid_t dataset, shim_storage *to)
{
	memset(to, 0, sizeof *to);
	hid_t plist = H5Dget_create_plist(dataset);
	if (plist < 0)
		return -1;
	int result = describe_plist(plist, to);
	H5Pclose(plist);
	if (result < 0 || to->external || to->virtual || to->chunked)
		return result;
	haddr_t offset = H5Dget_offset(dataset); // fails for what is in no one place
	to->at_offset = offset != HADDR_UNDEF;
	to->offset = to->at_offset ? offset : 0;
	return 0;
}

int shim_texts(hid_t object, int is_attribute, hid_t type, hid_t space, size_t n, shim_list *list)
{
	if (n == 0)
		return 0;
	char **texts = calloc(n, sizeof *texts);
	if (texts == NULL)
		return -1;
	int result = is_attribute ? H5Aread(object, type, texts) : H5Dread(object, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, texts);
	if (result >= 0) {
		for (size_t i = 0; i < n && result >= 0; i++) {
			size_t length = texts[i] == NULL ? 0 : strlen(texts[i]);
			unsigned char *record = length < UINT32_MAX ? append(list, 4 + length) : NULL;
			if (record == NULL) {
				result = -1;
				break;
			}
			uint32_t stored = (uint32_t)length;
			memcpy(record, &stored, 4);
			if (length > 0)
				memcpy(record + 4, texts[i], length);
		}
		H5Dvlen_reclaim(type, space, H5P_DEFAULT, texts);
	}
	free(texts);
	return result < 0 ? -1 : 0;
}

int shim_read(hid_t dataset, hid_t type, int as_float32, hid_t memory_space, hid_t file_space, void *to)
{
	if (memory_space == 0)
		memory_space = file_space = H5S_ALL;
	return H5Dread(dataset, as_float32 ? H5T_NATIVE_FLOAT : type, memory_space, file_space, H5P_DEFAULT, to);
}
