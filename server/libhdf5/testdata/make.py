#!/usr/bin/env python3
"""Writes lzf.h5: the model of models/k2_tiny_mlp/model.h5 in the shared test data, packed again with LZF, which package
hdf5 does not read. Needs h5py.  make.py SOURCE lzf.h5"""
import sys

import h5py

with h5py.File(sys.argv[1]) as source, h5py.File(sys.argv[2], "w") as packed:
    packed.attrs.update(source.attrs)

    def copy(name, item):
        if isinstance(item, h5py.Group):
            to = packed.create_group(name)
        else:
            filters = {"compression": "lzf", "shuffle": True} if item.shape else {}
            to = packed.create_dataset(name, data=item[()], **filters)
        to.attrs.update(item.attrs)

    source.visititems(copy)
