// The compile units of a file's debugging information, by elfutils' libdw: that library is looked for when it is needed, so it need not be
// installed.

#pragma once

#include <stddef.h>
#include <stdint.h>

/// Compile units that are being read.
struct unit_reader;

/// Begins to read the debugging information in a copy of the `size` bytes of an ELF file at `bytes`. Returns null and sets `is_missing`
/// to 1 if libdw is not installed, to 0 if there is no DWARF.
struct unit_reader *_Nullable unit_reader_open(const void *_Nonnull bytes, size_t size, int *_Nonnull is_missing);

/// The next range of addresses of a compile unit's code: the unit's name, null if it has none, and the range. Returns 0 after the last, or
/// if the information is damaged.
int unit_reader_next(struct unit_reader *_Nonnull reader, const char *_Nullable *_Nonnull name, uint64_t *_Nonnull start,
                     uint64_t *_Nonnull end);

/// Frees the reader.
void unit_reader_close(struct unit_reader *_Nonnull reader);
