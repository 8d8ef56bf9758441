"""Makes chunks.h5, objects.h5 and manifest.json: what the reader's tests compare with. Made with h5py 3.7 and HDF5 1.10.8."""
import json, sys, zlib
import h5py, numpy as np
from h5py import h5d, h5p, h5s, h5t

rng = np.random.default_rng(1)

def data(shape, dtype="<f4"):
    return rng.integers(-50, 50, shape).astype(dtype)

def chunks(f, large):
    put = lambda name, a, **k: f.create_dataset(name, data=a, **k)
    put("extensible/plain", data((90, 3)), maxshape=(None, 3), chunks=(1, 3))
    put("extensible/filtered", data((4, 150), "i1"), maxshape=(8, None), chunks=(2, 2), compression="gzip", shuffle=True, fletcher32=True)
    put("fixed/plain", data((7, 13)), maxshape=(50, 20), chunks=(3, 4))
    put("fixed/filtered", data((7, 13), ">i2"), chunks=(3, 4), compression="gzip")
    pages = f.create_dataset("fixed/pages", (2100,), "i1", chunks=(1,), fillvalue=7)
    pages[3:9] = np.arange(6)
    pages[2090:] = np.arange(10)
    pages = f.create_dataset("fixed/filtered_pages", (1100,), "<i2", chunks=(1,), fletcher32=True)
    pages[1020:1030] = np.arange(10)
    pages[1099] = 5
    put("tree/plain", data((21, 30), "i1"), maxshape=(None, None), chunks=(2, 2))
    put("tree/filtered", data((11, 5, 4)), maxshape=(None, None, 4), chunks=(2, 2, 3), compression="gzip")
    put("single/plain", data((5, 6)), chunks=(5, 6))
    put("single/filtered", data((5, 6)), chunks=(5, 6), compression="gzip")
    put("cut/columns", data((40, 6, 5)), chunks=(7, 6, 5))
    put("cut/one_column", data((40, 1)), chunks=(7, 1))
    empty = f.create_dataset("empty", (10, 10), "<f4", chunks=(2, 2), maxshape=(None, 10), fillvalue=1.5)
    p = h5p.create(h5p.DATASET_CREATE)
    p.set_chunk((2, 3))
    p.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    implicit = h5py.Dataset(h5d.create(f.id, b"implicit", h5t.IEEE_F32LE, h5s.create_simple((5, 7)), p))
    implicit[...] = data((5, 7))
    if large:
        many = data((150000,), "i1")
        put("extensible/pages", many, maxshape=(None,), chunks=(1,))
        sparse = f.create_dataset("extensible/sparse", (140000,), "i1", maxshape=(None,), chunks=(1,), fillvalue=3)
        sparse[139000:139900] = many[:900]

def objects(f):
    f["committed"] = np.dtype("<f8")
    d = f.create_dataset("typed", (4,), f["committed"])
    d[...] = [1, 2, 3, 4]
    d.attrs.create("typed", 2.5, dtype=f["committed"])
    f.create_dataset("bool", data=np.array([True, False, True]))
    f.create_dataset("u8", data=np.array([2**64 - 1, 1], "<u8"))
    f.create_dataset("half", data=np.array([0, 6e-8, 1e-5, 1, -2, 65504, np.inf], "<f2"))
    f.create_dataset("compound", data=np.zeros(2, [("a", "<i4"), ("b", "<f4")]))
    g = f.create_group("g")
    g.attrs["empty"] = np.zeros(0)
    g.attrs["numbers"] = np.arange(6, dtype=">i4").reshape(2, 3)
    g.attrs["text"] = "näme"
    g.attrs["texts"] = [b"a", b"bcd"]
    g.attrs["fixed"] = np.array([b"ab", b"c"], "S4")
    for i in range(12):
        g.attrs["a%d" % i] = float(i)
    g["hard"] = d
    g["soft"] = h5py.SoftLink("/typed")
    g["away"] = h5py.ExternalLink("other.h5", "/x")

def manifest(path):
    attrs, groups, dsets, seen = {}, [], {}, set()
    def value(v):
        if isinstance(v, bytes): return v.decode()
        if isinstance(v, np.ndarray): return [value(x) for x in v.ravel().tolist()]
        return v if isinstance(v, str) else float(v)
    def visit(name, o):
        name = "/" + name
        for k in o.attrs: attrs[name.rstrip("/") + "@" + k] = value(o.attrs[k])
        if isinstance(o, h5py.Group):
            if name != "/": groups.append(name)
        elif isinstance(o, h5py.Dataset):
            a = o[...]
            d = {"shape": list(o.shape), "dtype": o.dtype.str, "offset": o.id.get_offset(), "crc_raw": zlib.crc32(a.tobytes())}
            if o.dtype.kind in "fiub": d["crc_f32"] = zlib.crc32(a.astype("<f4").tobytes())
            dsets[name] = d
    with h5py.File(path) as f:
        visit("", f)
        f.visititems(visit)
    return {"attrs": attrs, "groups": groups, "dsets": dsets}

where = sys.argv[1] if len(sys.argv) > 1 else "."
found = {}
for name, libver in ("chunks.h5", "latest"), ("objects.h5", "latest"), ("objects_old.h5", "earliest"):
    with h5py.File(where + "/" + name, "w", libver=libver) as f:
        chunks(f, len(sys.argv) > 2) if name == "chunks.h5" else objects(f)
    found[name] = manifest(where + "/" + name)
with open(where + "/manifest.json", "w") as out:
    json.dump(found, out, ensure_ascii=False, indent=0, sort_keys=True)
    out.write("\n")
