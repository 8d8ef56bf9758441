// What gonum.org/v1/hdf5 lacks of libhdf5. Every function gives a negative number when the library reports an error, which
// shim_error then tells.
#ifndef PARTITA_SHIM_H
#define PARTITA_SHIM_H

#define H5_USE_110_API // also with newer libraries
#include <hdf5.h>
#include <stddef.h>
#include <stdint.h>

#define SHIM_RANK 32    // H5S_MAX_RANK
#define SHIM_FILTERS 32 // H5Z_MAX_NFILTERS

// A growing list of records. Its data is to be freed.
typedef struct {
	unsigned char *data;
	size_t length, capacity, limit;
	int full; // the limit was reached
} shim_list;

typedef struct {
	int class;
	size_t size;
	int order; // 0 little-endian, 1 big-endian, 2 VAX
	int sign;  // of an integer: two's complement
	size_t precision;
	int offset;
	size_t sign_at, exponent_at, exponent_bits, mantissa_at, mantissa_bits, exponent_bias;
	int implied; // the leading bit of the mantissa is not stored
	int padding; // of a string
	int variable; // a variable-length string
	int indirect; // its elements in memory hold pointers or references
	char tag[256];
} shim_type;

typedef struct {
	int rank;
	int null;
	uint64_t dims[SHIM_RANK];
} shim_space;

typedef struct {
	int external; // elements are in other files
	int virtual;  // elements are those of other datasets
	int chunked;
	int at_offset; // in one piece at offset
	uint64_t offset;
	uint64_t chunk[SHIM_RANK];
	int filters;
	int filter[SHIM_FILTERS];
	int filter_available[SHIM_FILTERS];
} shim_storage;

int shim_prepare(void);
void shim_error(char *text, size_t size);

int shim_address_bytes(hid_t file);
int shim_kind(hid_t file, const char *path); // an H5I_type_t
int shim_links(hid_t group, shim_list *list); // records: kind, 1 byte; address, 8 bytes; name, ended by zero
int shim_attributes(hid_t object, shim_list *list); // records: name, ended by zero

hid_t shim_attribute(hid_t object, const char *name);
hid_t shim_attribute_type(hid_t attribute);
hid_t shim_attribute_space(hid_t attribute);
int shim_attribute_read(hid_t attribute, hid_t type, void *to);
void shim_attribute_close(hid_t attribute);

hid_t shim_dataset_type(hid_t dataset);
hid_t shim_base_type(hid_t type);
void shim_type_close(hid_t type);
void shim_space_close(hid_t space);
int shim_describe_type(hid_t type, shim_type *to);
int shim_describe_space(hid_t space, shim_space *to);
int shim_describe_storage(hid_t dataset, shim_storage *to);

// shim_texts reads all n variable-length strings of an attribute or a dataset. Records: length, 4 bytes; bytes.
int shim_texts(hid_t object, int is_attribute, hid_t type, hid_t space, size_t n, shim_list *list);
// shim_read reads the selected elements, as they are stored or as float32. A memory space of 0 is for a scalar.
int shim_read(hid_t dataset, hid_t type, int as_float32, hid_t memory_space, hid_t file_space, void *to);

#endif
