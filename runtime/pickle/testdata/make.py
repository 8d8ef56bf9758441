"""Writes pickles.json and, for runtime/npy, arrays.json: files by name, in base64. Run with NumPy 1.24: python3 make.py"""
import base64, io, json, os, pickle, sys, types
import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
arrays, pickles = {}, {}

def save(name, array, **options):
    out = io.BytesIO()
    np.save(out, array, **options)
    arrays[name] = out.getvalue()

def write(path, files):
    with open(path, "w") as f:
        json.dump({k: base64.b64encode(v).decode() for k, v in sorted(files.items())}, f, indent=0)
        f.write("\n")

base = np.arange(24).reshape(2, 3, 4)
for code in "f4 f8 f2 i1 i2 i4 i8 u1 u2 u4 u8 b1".split():
    for order in "<>":
        a = (base - 3 if code[0] in "fi" else base).astype(order + code)
        if code[0] == "f":
            a = a / a.dtype.type(8)
            a = a.astype(order + code)
        save("c_%s_%s" % ("le" if order == "<" else "be", code), a)
        save("f_%s_%s" % ("le" if order == "<" else "be", code), np.asfortranarray(a))
save("scalar", np.float32(1.5))
save("empty", np.zeros((0, 3), np.float32))
save("vector", np.arange(5, dtype=np.int64))
for version in ((2, 0), (3, 0)):
    out = io.BytesIO()
    np.lib.format.write_array(out, base.astype("<f4"), version=version)
    arrays["version%d" % version[0]] = out.getvalue()
save("refused_object", np.array([None, 1]), allow_pickle=True)
save("refused_record", np.zeros(2, [("a", "<f4"), ("b", "<i4")]))
save("refused_complex", np.zeros(2, np.complex64))

image = (base / 8).astype(np.float32)
def dump(name, value, protocol):
    pickles["%s_p%d" % (name, protocol)] = pickle.dumps(value, protocol)
for protocol in range(6):
    dump("array", image, protocol)
    dump("fortran", np.asfortranarray(image), protocol)
    dump("bigendian", image.astype(">f4"), protocol)
    dump("view", base.astype(np.float32)[:, ::2], protocol)
    dump("bool", base % 2 == 0, protocol)
    dump("int64", base - 3, protocol)
    dump("empty", np.zeros((0, 3), np.float32), protocol)
    dump("scalar", np.float64(-2.5), protocol)
    dump("lists", [[1, -2, 300], [4.5, 70000, 2**40]], protocol)
    dump("tuple", ((True, False), (False, True)), protocol)
    dump("ints", [0, 255, 256, -1, 65536, -2**31, 2**31, -2**63, 2**63 - 1], protocol)
    dump("arrays", [image[0], image[1]], protocol)
    dump("shared", [[1, 2]] * 3, protocol)
    dump("refused_complex", np.zeros(2, np.complex64), protocol)
    dump("refused_object", np.array([None, 1]), protocol)
    dump("refused_record", np.zeros(2, [("a", "<f4")]), protocol)
    dump("refused_dict", {"a": image}, protocol)
    dump("refused_ragged", [[1, 2], [3]], protocol)
    dump("refused_huge", [2**70], protocol)

# NumPy 2 writes the same under numpy._core; Python 2 wrote the array's bytes as a byte string.
for protocol in (0, 2):
    pickles["numpy2_p%d" % protocol] = pickle.dumps(image, protocol).replace(b"numpy.core.", b"numpy._core.")
core = types.ModuleType("numpy._core"); numeric = types.ModuleType("numpy._core.numeric")
numeric._frombuffer = np.core.numeric._frombuffer
sys.modules["numpy._core"], sys.modules["numpy._core.numeric"] = core, numeric
class Pickler(pickle._Pickler):
    def save_global(self, obj, name=None):
        if obj is np.core.numeric._frombuffer:
            self.save("numpy._core.numeric"); self.save("_frombuffer"); self.write(pickle.STACK_GLOBAL); self.memoize(obj)
        else:
            pickle._Pickler.save_global(self, obj, name)
    dispatch = dict(pickle._Pickler.dispatch); dispatch[types.FunctionType] = save_global
out = io.BytesIO(); Pickler(out, 5).dump(image)
pickles["numpy2_p5"] = out.getvalue()
a = np.array([1.5, -2.0], "<f4")
python2 = (b"cnumpy.core.multiarray\n_reconstruct\np0\n(cnumpy\nndarray\np1\n(I0\ntp2\nS'b'\np3\ntp4\nRp5\n(I1\n(I2\ntp6\ncnumpy\ndtype\np7\n(S'f4'\np8\nI0\nI1\ntp9\nRp10\n"
           b"(I3\nS'<'\np11\nNNNI-1\nI-1\nI0\ntp12\nbI00\nS'" + "".join("\\x%02x" % c for c in a.tobytes()).encode() + b"'\np13\ntp14\nb.")
assert (pickle.loads(python2, encoding="latin1") == a).all()
pickles["python2_p0"] = python2

class Evil:
    def __reduce__(self): return (os.system, ("true",))
class Plain:
    pass
Plain.__module__ = "somewhere"; Plain.__qualname__ = "Plain"
for protocol in range(6):
    dump("refused_call", Evil(), protocol)
    dump("refused_hidden", [[1, Evil()]], protocol)

write(os.path.join(here, "pickles.json"), pickles)
write(os.path.join(here, "..", "..", "npy", "testdata", "arrays.json"), arrays)
