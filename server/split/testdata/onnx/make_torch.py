"""Makes the models torch_*.onnx of this folder with python3-torch 1.13 of Debian 12 (TorchScript exporter).

The networks are small, with random weights: what counts are the patterns of operators of their families.
"""
import os

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)


def exp(name, model, args, opset, dynamic=None, inputs=None, outputs=None, fold=True):
    model.eval()
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'torch_' + name + '.onnx')
    with torch.no_grad():
        torch.onnx.export(model, args, path, opset_version=opset, input_names=inputs, output_names=outputs, dynamic_axes=dynamic, do_constant_folding=fold)


def img(n=1, s=64):
    return torch.randn(n, 3, s, s)


class BertAtt(nn.Module):

    def __init__(s, h=32, n=4):
        super().__init__()
        s.q = nn.Linear(h, h)
        s.k = nn.Linear(h, h)
        s.v = nn.Linear(h, h)
        s.o = nn.Linear(h, h)
        s.n = n
        s.ln = nn.LayerNorm(h)

    def sp(s, x):
        return x.view(x.size(0), x.size(1), s.n, -1).permute(0, 2, 1, 3)

    def forward(s, x, mask):
        q, k, v = (s.sp(s.q(x)), s.sp(s.k(x)), s.sp(s.v(x)))
        a = q @ k.transpose(-1, -2) / q.size(-1) ** 0.5 + mask
        y = (a.softmax(-1) @ v).permute(0, 2, 1, 3).contiguous()
        y = y.view(y.size()[:-2] + (x.size(-1),))
        return s.ln(x + s.o(y))

ids = torch.randint(0, 100, (2, 7))
am = torch.ones(2, 7, dtype=torch.long)


class Gpt(nn.Module):

    def __init__(s, h=32, n=4):
        super().__init__()
        s.e = nn.Embedding(100, h)
        s.p = nn.Embedding(64, h)
        s.c = nn.Linear(h, 3 * h)
        s.o = nn.Linear(h, h)
        s.ln = nn.LayerNorm(h)
        s.n = n
        s.h = h
        s.head = nn.Linear(h, 100, bias=False)
        s.register_buffer('bias', torch.tril(torch.ones(64, 64, dtype=torch.uint8)).view(1, 1, 64, 64).bool())

    def forward(s, ids, past_k, past_v):
        pl = past_k.size(-2)
        pos = torch.arange(pl, ids.size(-1) + pl, dtype=torch.long).unsqueeze(0).view(-1, ids.size(-1))
        x = s.e(ids) + s.p(pos)
        q, k, v = s.c(s.ln(x)).split(s.h, dim=2)
        sp = lambda t: t.view(t.size()[:-1] + (s.n, s.h // s.n)).permute(0, 2, 1, 3)
        q, k, v = (sp(q), sp(k), sp(v))
        k = torch.cat([past_k, k], -2)
        v = torch.cat([past_v, v], -2)
        w = q @ k.transpose(-1, -2)
        w = w / torch.full([], v.size(-1) ** 0.5, dtype=w.dtype)
        ql, kl = (q.size(-2), k.size(-2))
        m = s.bias[:, :, kl - ql:kl, :kl]
        w = torch.where(m, w, torch.full([], torch.finfo(w.dtype).min, dtype=w.dtype)).softmax(-1)
        y = (w @ v).permute(0, 2, 1, 3).contiguous()
        y = y.view(y.size()[:-2] + (s.h,))
        return (s.head(x + s.o(y)), k, v)

pk = torch.randn(2, 4, 5, 8)
exp('gpt2_past', Gpt(), (torch.randint(0, 100, (2, 3)), pk, pk.clone()), 13, {'ids': {0: 'batch', 1: 'seq'}, 'past_k': {0: 'batch', 2: 'past'}, 'past_v': {0: 'batch', 2: 'past'}, 'logits': {0: 'batch', 1: 'seq'}, 'pk': {0: 'batch', 2: 'total'}, 'pv': {0: 'batch', 2: 'total'}}, ['ids', 'past_k', 'past_v'], ['logits', 'pk', 'pv'])


class T5(nn.Module):

    def __init__(s, h=32, n=4):
        super().__init__()
        s.e = nn.Embedding(100, h)
        s.b = nn.Embedding(32, n)
        s.q = nn.Linear(h, h, bias=False)
        s.k = nn.Linear(h, h, bias=False)
        s.v = nn.Linear(h, h, bias=False)
        s.n = n
        s.w = nn.Parameter(torch.ones(h))

    def norm(s, x):
        return s.w * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-06))

    def forward(s, ids, mask):
        x = s.e(ids)
        n = ids.size(1)
        r = torch.arange(n)[None, :] - torch.arange(n)[:, None]
        b = (r > 0).long() * 16
        r = r.abs()
        small = r < 8
        big = 8 + (torch.log(r.float() / 8) / torch.log(torch.tensor(16.0)) * 8).long()
        big = torch.min(big, torch.full_like(big, 15))
        bucket = b + torch.where(small, r, big)
        bias = s.b(bucket).permute(2, 0, 1).unsqueeze(0) + (1 - mask[:, None, None, :].float()) * -1000000000.0
        y = s.norm(x)
        sp = lambda t: t.view(t.shape[0], -1, s.n, 8).transpose(1, 2)
        a = (sp(s.q(y)) @ sp(s.k(y)).transpose(3, 2) + bias).softmax(-1)
        return x + (a @ sp(s.v(y))).transpose(1, 2).contiguous().view(ids.shape[0], -1, 32)

exp('t5_encoder', T5(), (ids, am), 13, {'ids': {0: 'batch', 1: 'seq'}, 'mask': {0: 'batch', 1: 'seq'}}, ['ids', 'mask'], ['y'])


class Rnn(nn.Module):

    def __init__(s):
        super().__init__()
        s.l = nn.LSTM(8, 16, 2, batch_first=True, bidirectional=True)
        s.g = nn.GRU(32, 8, batch_first=True)
        s.o = nn.Linear(8, 3)

    def forward(s, x):
        y, (h, c) = s.l(x)
        y, h2 = s.g(y)
        return (s.o(y[:, -1]), h)

exp('lstm_fixed', Rnn(), torch.randn(1, 6, 8), 13, None, ['x'], ['y', 'h'])


class Sq2(nn.Module):

    def __init__(s):
        super().__init__()
        s.c = nn.Linear(8, 1)

    def forward(s, x):
        return (s.c(x).squeeze(-1), x.squeeze(1))

exp('squeeze_dyn', torch.jit.script(Sq2()), (torch.randn(2, 3, 8),), 13, {'x': {0: 'batch', 1: 'n'}}, ['x'], ['y', 'z'])


class Cond(nn.Module):

    def __init__(s):
        super().__init__()
        s.a = nn.Linear(8, 4)
        s.b = nn.Linear(8, 4)
        s.flag = True

    def forward(s, x):
        if x.dim() == 2:
            y = s.a(x)
        else:
            y = s.b(x)
        if x.size(1) > 4:
            y = y * 2
        return y

exp('cond_script', torch.jit.script(Cond()), (torch.randn(2, 8),), 13, {'x': {0: 'batch'}}, ['x'], ['y'], fold=False)


class Misc(nn.Module):

    def forward(s, x):
        y = F.pad(x, (1, 1, 2, 2), mode='reflect')
        y = F.interpolate(y, size=(17, 19), mode='bilinear', align_corners=False)
        y = F.interpolate(y, scale_factor=1.5, mode='bicubic')
        y = F.adaptive_avg_pool2d(y, 1)
        z = torch.einsum('bchw,bdhw->bcd', x, x)
        return (y.flatten(1), z.triu(), torch.cumsum(x, 2), x.norm(dim=1), x.std(3), F.unfold(x[:, :, :8, :8], 3), x.argmax(1), F.one_hot(x.argmax(1), 3).float(), torch.roll(x, 1, 2), x.flip(3), F.grid_sample(x, torch.zeros(1, 4, 4, 2).expand(x.size(0), -1, -1, -1)), F.instance_norm(x), F.group_norm(x, 3), x.logsumexp(1))

exp('misc', Misc(), img(2, 16), 16, {'x': {0: 'n'}}, ['x'], None)


class UNet(nn.Module):

    def __init__(s):
        super().__init__()
        s.a = nn.Conv2d(3, 8, 3, padding=1)
        s.b = nn.Conv2d(8, 16, 3, padding=1)
        s.u = nn.ConvTranspose2d(16, 8, 2, 2)
        s.o = nn.Conv2d(16, 2, 1)

    def forward(s, x):
        a = s.a(x).relu()
        b = s.b(F.max_pool2d(a, 2)).relu()
        u = s.u(b)
        dh = a.size(2) - u.size(2)
        dw = a.size(3) - u.size(3)
        u = F.pad(u, [dw // 2, dw - dw // 2, dh // 2, dh - dh // 2])
        return s.o(torch.cat([a, u], 1))

exp('unet_hw', UNet(), img(1, 64), 11, {'x': {0: 'n', 2: 'h', 3: 'w'}}, ['x'], ['y'])


class Wave(nn.Module):

    def __init__(s):
        super().__init__()
        s.c = nn.Conv1d(1, 8, 512, 160)
        s.r = nn.GRU(8, 8, batch_first=True)
        s.o = nn.Linear(8, 2)

    def forward(s, x):
        y = s.c(x.unsqueeze(1)).abs().log1p()
        y, _ = s.r(y.transpose(1, 2))
        return s.o(y[:, -1])

exp('wave', Wave(), torch.randn(1, 16000), 13, {'x': {0: 'b', 1: 'samples'}}, ['x'], ['y'])


class Yolo(nn.Module):

    def __init__(s):
        super().__init__()
        C = lambda i, o, k=3, st=1: nn.Sequential(nn.Conv2d(i, o, k, st, k // 2, bias=False), nn.BatchNorm2d(o), nn.SiLU())
        s.a = C(3, 8, 3, 2)
        s.b = C(8, 16, 3, 2)
        s.c = C(16, 16, 3, 2)
        s.l = C(24, 8, 1)
        s.m = C(24, 16)
        s.d = nn.ModuleList([nn.Conv2d(16, 3 * 7, 1), nn.Conv2d(16, 3 * 7, 1)])
        s.register_buffer('ag', torch.rand(2, 3, 1, 1, 2))

    def forward(s, x):
        p = s.b(s.a(x))
        q = s.c(p)
        q = torch.cat([F.max_pool2d(q, 5, 1, 2), q[:, 8:]], 1)
        u = F.interpolate(s.l(q), scale_factor=2, mode='nearest')
        p = s.m(torch.cat([u, p], 1))
        z = []
        for i, f in enumerate([p, q[:, :16]]):
            y = s.d[i](f)
            bs, _, ny, nx = y.shape
            y = y.view(bs, 3, 7, ny, nx).permute(0, 1, 3, 4, 2).contiguous()
            yv, xv = torch.meshgrid(torch.arange(ny), torch.arange(nx))
            g = torch.stack((xv, yv), 2).view(1, 1, ny, nx, 2).float()
            y = y.sigmoid()
            xy = (y[..., 0:2] * 2 - 0.5 + g) * 8 * 2 ** i
            wh = (y[..., 2:4] * 2) ** 2 * s.ag[i]
            z.append(torch.cat((xy, wh, y[..., 4:]), -1).view(bs, -1, 7))
        return torch.cat(z, 1)

exp('yolo_13', Yolo(), torch.randn(1, 3, 64, 64), 13, {'images': {0: 'batch', 2: 'height', 3: 'width'}}, ['images'], ['output'])


class U8(nn.Module):

    def __init__(s):
        super().__init__()
        s.c = nn.Conv2d(3, 4, 3)

    def forward(s, x):
        return (s.c(x.permute(0, 3, 1, 2).float() / 255).argmax(1), x > 100)

exp('uint8_in', U8(), torch.randint(0, 255, (1, 16, 16, 3), dtype=torch.uint8), 13, {'x': {0: 'n'}}, ['x'], ['y', 'z'])


class TwoIn(nn.Module):

    def __init__(s):
        super().__init__()
        s.a = nn.Linear(4, 3)
        s.b = nn.Conv2d(3, 3, 3)

    def forward(s, x, img):
        return s.a(x) + s.b(img).mean((2, 3))

exp('two_in_fixed', TwoIn(), (torch.randn(1, 4), torch.randn(1, 3, 8, 8)), 13, None, ['x', 'img'], ['y'])


class Enc(nn.Module):

    def __init__(s):
        super().__init__()
        s.a = nn.Linear(4, 3)

    def forward(s, x, t):
        return s.a(x) + torch.sin(t.float()[:, None] * torch.arange(3))

exp('timestep', Enc(), (torch.randn(2, 4), torch.tensor([5])), 13, {'x': {0: 'n'}}, ['x', 't'], ['y'])


class Conv3T(nn.Module):

    def __init__(s):
        super().__init__()
        s.a = nn.ConvTranspose2d(3, 4, 3, 2, 1, 1)
        s.b = nn.ConvTranspose1d(4, 2, 4, 2, 1, dilation=2)
        s.p = nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)
        s.m = nn.MaxPool2d(3, 2, 1, ceil_mode=True)

    def forward(s, x):
        y = s.a(x)
        return (s.b(y.flatten(2)), s.p(y), s.m(y), F.adaptive_avg_pool2d(y, (2, 2)), F.pixel_unshuffle(y, 2), F.hardswish(y), F.mish(y), F.elu(y), F.gelu(y), F.softplus(y), F.prelu(y, torch.ones(4) * 0.1), y.clamp(0, 1), y.round(), F.log_softmax(y, 1), F.normalize(y, dim=1))

exp('ops2', Conv3T(), torch.randn(2, 3, 8, 8), 14, {'x': {0: 'n'}}, ['x'], None)
