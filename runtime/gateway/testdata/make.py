"""Writes images.json: small images in base64 with what Pillow makes of them, as they are and resized. Run with Pillow 9 and NumPy: python3 make.py"""
import base64, io, json, os
import numpy as np
from PIL import Image

y, x = np.mgrid[0:18, 0:24]
rgb = np.stack([x * 10, y * 14, (x + y) * 5 + 20 * np.sin(x / 3.0)], -1).clip(0, 255).astype(np.uint8)
alpha = ((x * 7) % 256).astype(np.uint8)
images = {}

def add(name, picture, format, **options):
    out = io.BytesIO()
    picture.save(out, format, **options)
    seen = Image.open(io.BytesIO(out.getvalue()))
    entry = {"file": base64.b64encode(out.getvalue()).decode(), "width": seen.width, "height": seen.height}
    for key, mode in (("rgb", "RGB"), ("grey", "L")):
        whole = seen.convert(mode)
        entry[key] = base64.b64encode(np.asarray(whole).tobytes()).decode()
        entry[key + "Small"] = base64.b64encode(np.asarray(whole.resize((10, 8), Image.BILINEAR)).tobytes()).decode()
        entry[key + "Large"] = base64.b64encode(np.asarray(whole.resize((30, 26), Image.BILINEAR)).tobytes()).decode()
    images[name] = entry

colour = Image.fromarray(rgb)
add("png", colour, "PNG")
add("png-grey", Image.fromarray(rgb[..., 2]), "PNG")
add("png-alpha", Image.fromarray(np.dstack([rgb, alpha])), "PNG")
add("png-palette", colour.quantize(16), "PNG", transparency=3)
add("png-bilevel", Image.fromarray(rgb[..., 0] > 100), "PNG")
add("jpeg", colour, "JPEG", quality=95, subsampling=0)
add("jpeg-420", colour, "JPEG", quality=90, subsampling=2)
add("jpeg-progressive", colour, "JPEG", quality=95, subsampling=0, progressive=True)
add("jpeg-grey", Image.fromarray(rgb[..., 1]), "JPEG", quality=95)
add("jpeg-cmyk", colour.convert("CMYK"), "JPEG", quality=95)
add("webp", colour, "WEBP", quality=90)
add("webp-lossless", colour, "WEBP", lossless=True)
add("webp-alpha", Image.fromarray(np.dstack([rgb, alpha | 128])), "WEBP", quality=90)
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "images.json"), "w") as f:
    json.dump(images, f, indent=0, sort_keys=True)
    f.write("\n")
