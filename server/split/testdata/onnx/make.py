"""Makes the models of this folder that are not torch_*.onnx, with python3-onnx 1.12 and python3-numpy of Debian 12.

Each holds the operators that one kind of exporter writes: skl2onnx (sk_*), quantizers (qdq, qoperator, dynquant), exporters
with functions and conditions (functions, if_*), with arithmetic on shapes (dynamo_shape, range_mask), tf2onnx (tf_nhwc).
"""
import os
import onnx, numpy as np
from onnx import helper as h, TensorProto as T, numpy_helper as nh
import onnx.numpy_helper
rng = np.random.default_rng(0)


def vi(n, t, s):
    return h.make_tensor_value_info(n, t, s)


def init(n, a):
    return nh.from_array(np.asarray(a), n)


def save(name, nodes, ins, outs, inits=(), opset=13, ml=None, ms=None, functions=(), extra=(), values=()):
    g = h.make_graph(nodes, name, ins, outs, list(inits), value_info=list(values))
    ops = [h.make_opsetid('', opset)]
    if ml:
        ops.append(h.make_opsetid('ai.onnx.ml', ml))
    if ms:
        ops.append(h.make_opsetid('com.microsoft', 1))
    for e in extra:
        ops.append(h.make_opsetid(e, 1))
    m = h.make_model(g, opset_imports=ops, functions=list(functions), ir_version=8, producer_name='made')
    onnx.save(m, os.path.join(os.path.dirname(os.path.abspath(__file__)), name + '.onnx'))

F = T.FLOAT
N = h.make_node


def tree(labels, strings=False, ntrees=2):
    nid, tid, feat, val, mode, tt, ff, cid, ctid, cnid, cw = ([] for _ in range(11))
    for t in range(ntrees):
        for i, (m, f, v, a, b) in enumerate([('BRANCH_LEQ', t % 4, 0.1, 1, 2), ('LEAF', 0, 0, 0, 0), ('LEAF', 0, 0, 0, 0)]):
            nid.append(i)
            tid.append(t)
            feat.append(f)
            val.append(float(v))
            mode.append(m)
            tt.append(a)
            ff.append(b)
        for i in (1, 2):
            for c in range(labels):
                ctid.append(t)
                cnid.append(i)
                cid.append(c)
                cw.append(float(rng.random() / ntrees))
    kw = dict(nodes_nodeids=nid, nodes_treeids=tid, nodes_featureids=feat, nodes_values=val, nodes_modes=mode, nodes_truenodeids=tt, nodes_falsenodeids=ff, nodes_hitrates=[1.0] * len(nid), nodes_missing_value_tracks_true=[0] * len(nid))
    return (kw, dict(class_ids=cid, class_nodeids=cnid, class_treeids=ctid, class_weights=cw))

kw, ckw = tree(3)
for strings in (False, True):
    lab = dict(classlabels_strings=['a', 'b', 'c']) if strings else dict(classlabels_int64s=[0, 1, 2])
    zl = dict(classlabels_strings=['a', 'b', 'c']) if strings else dict(classlabels_int64s=[0, 1, 2])
    out = h.make_tensor_value_info('output_label', T.STRING if strings else T.INT64, ['N'])
    zt = onnx.TypeProto()
    zt.sequence_type.elem_type.map_type.key_type = T.STRING if strings else T.INT64
    zt.sequence_type.elem_type.map_type.value_type.tensor_type.elem_type = F
    zo = onnx.ValueInfoProto()
    zo.name = 'output_probability'
    zo.type.CopyFrom(zt)
    save('sk_forest' + ('_str' if strings else ''), [N('Scaler', ['X'],
    ['s'], domain='ai.onnx.ml', offset=[0.1, 0.2, 0.3, 0.4], scale=[1.0, 2.0, 3.0, 4.0]),
    N('TreeEnsembleClassifier', ['s'],
    ['label', 'probabilities'], domain='ai.onnx.ml', post_transform='NONE', **kw, **ckw, **lab), *([N('Identity', ['label'],
    ['output_label'])] if strings else [N('Cast', ['label'],
    ['output_label'], to=7)]),
    N('ZipMap', ['probabilities'],
    ['output_probability'], domain='ai.onnx.ml', **zl)],
    [vi('X', F, ['N', 4])],
    [out, zo], opset=13, ml=1)
k2 = dict(n_targets=2, target_ids=ckw['class_ids'][:0] or [0, 1] * 4, target_nodeids=[1, 1, 2, 2, 1, 1, 2, 2], target_treeids=[0] * 4 + [1] * 4, target_weights=[float(x) for x in rng.random(8)], post_transform='NONE')
save('sk_regressor', [N('TreeEnsembleRegressor', ['X'],
    ['variable'], domain='ai.onnx.ml', **kw, **k2)],
    [vi('X', F, ['N', 4])],
    [vi('variable', F, ['N', 2])], ml=1)
for k in (2, 3, 4):
    for proba in (False, True):
        nv = [2] * k
        sv = rng.random((2 * k, 4))
        npair = k * (k - 1) // 2
        at = dict(classlabels_ints=list(range(k)), coefficients=[float(x) for x in rng.random((k - 1) * 2 * k)], kernel_params=[0.5, 0.0, 3.0], kernel_type='RBF', post_transform='NONE', rho=[float(x) for x in rng.random(npair)], support_vectors=[float(x) for x in sv.ravel()], vectors_per_class=nv)
        if proba:
            at.update(prob_a=[-1.0] * npair, prob_b=[0.1] * npair)
        save(f"sk_svc{k}{('p' if proba else '')}", [N('SVMClassifier', ['X'],
    ['label', 'scores'], domain='ai.onnx.ml', **at),
    N('Cast', ['scores'],
    ['s2'], to=1)],
    [vi('X', F, ['N', 4])],
    [vi('label', T.INT64, ['N']),
    vi('s2', F, None)], ml=1)
save('sk_svr', [N('SVMRegressor', ['X'],
    ['y'], domain='ai.onnx.ml', coefficients=[1.0, -1.0], kernel_params=[0.5, 0.0, 3.0], kernel_type='RBF', n_supports=2, post_transform='NONE', rho=[0.1], support_vectors=[float(x) for x in rng.random(8)])],
    [vi('X', F, ['N', 4])],
    [vi('y', F, ['N', 1])], ml=1)
for k in (1, 2, 3):
    n = max(k, 2)
    save(f'sk_linear{k}', [N('LinearClassifier', ['X'],
    ['label', 'p'], domain='ai.onnx.ml', classlabels_ints=list(range(n)), coefficients=[float(x) for x in rng.normal(size=(k if k != 2 else 2) * 4)], intercepts=[0.1] * k, multi_class=0, post_transform='LOGISTIC' if k < 3 else 'SOFTMAX'),
    N('Normalizer', ['p'],
    ['probabilities'], domain='ai.onnx.ml', norm='L1')],
    [vi('X', F, ['N', 4])],
    [vi('label', T.INT64, ['N']),
    vi('probabilities', F, ['N', n])], ml=1)
save('sk_columns', [N('OneHotEncoder', ['cat'],
    ['oh'], domain='ai.onnx.ml', cats_int64s=[0, 1, 2], zeros=1),
    N('Reshape', ['oh', 'shape'],
    ['oh2']),
    N('Imputer', ['num'],
    ['n1'], domain='ai.onnx.ml', imputed_value_floats=[0.0, 1.0], replaced_value_float=float('nan')),
    N('Concat', ['oh2', 'n1'],
    ['c'], axis=1),
    N('LinearRegressor', ['c'],
    ['y'], domain='ai.onnx.ml', coefficients=[1.0, 2.0, 3.0, 4.0, 5.0], intercepts=[0.5])],
    [vi('cat', T.INT64, ['N', 1]),
    vi('num', F, ['N', 2])],
    [vi('y', F, ['N', 1])],
    [init('shape', np.array([-1, 3], np.int64))], ml=1)
sl = h.make_tensor('classes', T.STRING, [3], [b'x', b'y', b'z'])
save('sk_nb_str', [N('MatMul', ['X', 'w'],
    ['jll']),
    N('ArgMax', ['jll'],
    ['am'], axis=1, keepdims=0),
    N('ArrayFeatureExtractor', ['classes', 'am'],
    ['afe'], domain='ai.onnx.ml'),
    N('Reshape', ['afe', 'm1'],
    ['label']),
    N('Softmax', ['jll'],
    ['prob'], axis=1)],
    [vi('X', F, ['N', 4])],
    [vi('label', T.STRING, ['N']),
    vi('prob', F, ['N', 3])],
    [sl,
    init('w', rng.normal(size=(4, 3)).astype(np.float32)),
    init('m1', np.array([-1], np.int64))], ml=1)
save('sk_knn_cdist', [N('CDist', ['X', 'train'],
    ['d'], domain='com.microsoft', metric='euclidean'),
    N('TopK', ['d', 'k'],
    ['v', 'i'], axis=1, largest=0),
    N('Flatten', ['i'],
    ['fi']),
    N('Gather', ['lab', 'fi'],
    ['l']),
    N('ReduceMean', ['l'],
    ['y'], axes=[1], keepdims=1)],
    [vi('X', F, ['N', 4])],
    [vi('y', F, ['N', 1])],
    [init('train', rng.normal(size=(9, 4)).astype(np.float32)),
    init('k', np.array([3], np.int64)),
    init('lab', rng.normal(size=9).astype(np.float32))], ms=1)
f_lin = h.make_function('pkg.m', 'lin', ['x', 'w', 'b'], ['y'], [N('MatMul', ['x', 'w'], ['t']), N('Add', ['t', 'b'], ['y'])], [h.make_opsetid('', 13)])
leaky = N('LeakyRelu', ['x'], ['y'])
a = onnx.AttributeProto()
a.name = 'alpha'
a.ref_attr_name = 'slope'
a.type = onnx.AttributeProto.FLOAT
leaky.attribute.append(a)
f_act = h.make_function('pkg.m', 'act', ['x'], ['y'], [leaky], [h.make_opsetid('', 13)], ['slope'])
f_block = h.make_function('pkg.m', 'block', ['x', 'w', 'b'],
    ['y', 'x2'],
    [N('lin', ['x', 'w', 'b'],
    ['t'], domain='pkg.m'),
    N('act', ['t'],
    ['u'], domain='pkg.m', slope=0.3),
    N('Constant', [],
    ['c'], value=nh.from_array(np.full((4,), 2, np.float32))),
    N('Mul', ['u', 'c'],
    ['y']),
    N('Identity', ['x'],
    ['x2'])],
    [h.make_opsetid('', 13), h.make_opsetid('pkg.m', 1)])
ws = [init(f'w{i}', rng.normal(size=(4, 4)).astype(np.float32)) for i in range(2)] + [init(f'b{i}', rng.normal(size=4).astype(np.float32)) for i in range(2)]
save('functions', [N('block', ['x', 'w0', 'b0'],
    ['h', ''], 'blk0', domain='pkg.m'),
    N('block', ['h', 'w1', 'b1'],
    ['y', 'z'], 'blk1', domain='pkg.m')],
    [vi('x', F, ['N', 4])],
    [vi('y', F, ['N', 4]),
    vi('z', F, ['N', 4])], ws, functions=[f_lin, f_act, f_block], extra=['pkg.m'])
tb = h.make_graph([N('Constant', [],
    ['k'], value=nh.from_array(rng.normal(size=(4, 64)).astype(np.float32))),
    N('MatMul', ['x', 'k'],
    ['o'])], 'then', [],
    [vi('o', F, None)])
eb = h.make_graph([N('MatMul', ['x', 'ke'], ['o'])], 'else', [], [vi('o', F, None)], [init('ke', rng.normal(size=(4, 64)).astype(np.float32))])
save('if_data', [N('ReduceMax', ['x'],
    ['m'], keepdims=0),
    N('Greater', ['m', 'z'],
    ['c']),
    N('If', ['c'],
    ['h'], then_branch=tb, else_branch=eb),
    N('Relu', ['h'],
    ['y'])],
    [vi('x', F, ['N', 4])],
    [vi('y', F, ['N', 64])],
    [init('z', np.array(1.0, np.float32))])
save('if_input', [N('If', ['flag'],
    ['h'], then_branch=tb, else_branch=eb),
    N('Relu', ['h'],
    ['y'])],
    [vi('x', F, ['N', 4]),
    vi('flag', T.BOOL, [])],
    [vi('y', F, ['N', 64])])


def q(n, a):
    s = np.float32(np.abs(a).max() / 127)
    return [init(n + '_q', np.clip(np.round(a / s), -127, 127).astype(np.int8)),
    init(n + '_s', s),
    init(n + '_z', np.int8(0))]

w = rng.normal(size=(8, 3, 3, 3)).astype(np.float32)
w2 = rng.normal(size=(8, 10)).astype(np.float32)
ini = q('w', w) + q('w2', w2) + [init('xs', np.float32(0.02)),
    init('xz', np.uint8(128)),
    init('ys', np.float32(0.05)),
    init('yz', np.uint8(120)),
    init('bias', rng.integers(-100, 100, 8).astype(np.int32)),
    init('bs', np.float32(0.001)),
    init('bz', np.int32(0))]
save('qdq', [N('QuantizeLinear', ['x', 'xs', 'xz'],
    ['xq']),
    N('DequantizeLinear', ['xq', 'xs', 'xz'],
    ['xd']),
    N('DequantizeLinear', ['w_q', 'w_s', 'w_z'],
    ['wd']),
    N('DequantizeLinear', ['bias', 'bs', 'bz'],
    ['bd']),
    N('Conv', ['xd', 'wd', 'bd'],
    ['c'], pads=[1, 1, 1, 1]),
    N('Relu', ['c'],
    ['r']),
    N('QuantizeLinear', ['r', 'ys', 'yz'],
    ['rq']),
    N('DequantizeLinear', ['rq', 'ys', 'yz'],
    ['rd']),
    N('GlobalAveragePool', ['rd'],
    ['g']),
    N('Flatten', ['g'],
    ['f']),
    N('DequantizeLinear', ['w2_q', 'w2_s', 'w2_z'],
    ['w2d']),
    N('MatMul', ['f', 'w2d'],
    ['y'])],
    [vi('x', F, ['N', 3, 16, 16])],
    [vi('y', F, ['N', 10])], ini)
save('qoperator', [N('QuantizeLinear', ['x', 'xs', 'xz'],
    ['xq']),
    N('QLinearConv', ['xq', 'xs', 'xz', 'w_q', 'w_s', 'w_z', 'ys', 'yz', 'bias'],
    ['cq'], pads=[1, 1, 1, 1]),
    N('MaxPool', ['cq'],
    ['mq'], kernel_shape=[2, 2], strides=[2, 2]),
    N('QLinearAdd', ['mq', 'ys', 'yz', 'mq', 'ys', 'yz', 'ys', 'yz'],
    ['aq'], domain='com.microsoft'),
    N('QLinearGlobalAveragePool', ['aq', 'ys', 'yz', 'ys', 'yz'],
    ['gq'], domain='com.microsoft', channels_last=0),
    N('Flatten', ['gq'],
    ['fq']),
    N('QLinearMatMul', ['fq', 'ys', 'yz', 'w2_q', 'w2_s', 'w2_z', 'ys', 'yz'],
    ['oq']),
    N('DequantizeLinear', ['oq', 'ys', 'yz'],
    ['y'])],
    [vi('x', F, ['N', 3, 16, 16])],
    [vi('y', F, ['N', 10])], ini, ms=1)
save('dynquant', [N('DynamicQuantizeLinear', ['x'],
    ['xq', 's', 'z']),
    N('MatMulInteger', ['xq', 'w2_q', 'z', 'w2_z'],
    ['i']),
    N('Cast', ['i'],
    ['f'], to=1),
    N('Mul', ['s', 'w2_s'],
    ['ss']),
    N('Mul', ['f', 'ss'],
    ['y'])],
    [vi('x', F, ['N', 8])],
    [vi('y', F, ['N', 10])], ini)
save('dynamo_shape', [N('Shape', ['x'],
    ['b'], start=0, end=1),
    N('Concat', ['b', 'c1'],
    ['s'], axis=0),
    N('Expand', ['cls', 's'],
    ['t']),
    N('Concat', ['t', 'x'],
    ['u'], axis=1),
    N('Add', ['u', 'pos'],
    ['v']),
    N('Concat', ['b', 'c2'],
    ['s2'], axis=0),
    N('Reshape', ['v', 's2'],
    ['w'], allowzero=1),
    N('Transpose', ['w'],
    ['p'], perm=[0, 2, 1, 3]),
    N('Shape', ['p'],
    ['sp']),
    N('ReduceProd', ['sp'],
    ['n'], keepdims=0),
    N('Cast', ['n'],
    ['nf'], to=1),
    N('Mul', ['p', 'nf'],
    ['y'])],
    [vi('x', F, ['batch', 4, 16])],
    [vi('y', F, ['batch', 4, 5, 4])],
    [init('cls', rng.normal(size=(1, 1, 16)).astype(np.float32)),
    init('pos', rng.normal(size=(1, 5, 16)).astype(np.float32)),
    init('c1', np.array([1, 16], np.int64)),
    init('c2', np.array([5, 4, 4], np.int64))], opset=17)
save('range_mask', [N('Shape', ['ids'],
    ['s']),
    N('Gather', ['s', 'one'],
    ['n']),
    N('Range', ['zero', 'n', 'onev'],
    ['r']),
    N('Unsqueeze', ['r', 'ax0'],
    ['r0']),
    N('Unsqueeze', ['r', 'ax1'],
    ['r1']),
    N('LessOrEqual', ['r0', 'r1'],
    ['m']),
    N('Gather', ['emb', 'ids'],
    ['e']),
    N('Transpose', ['e'],
    ['et'], perm=[0, 2, 1]),
    N('MatMul', ['e', 'et'],
    ['a']),
    N('Where', ['m', 'a', 'neg'],
    ['w']),
    N('Softmax', ['w'],
    ['p'], axis=-1),
    N('MatMul', ['p', 'e'],
    ['y'])],
    [vi('ids', T.INT64, ['batch', 'seq'])],
    [vi('y', F, ['batch', 'seq', 8])],
    [init('one', np.array(1)),
    init('zero', np.array(0)),
    init('onev', np.array(1)),
    init('ax0', np.array([0])),
    init('ax1', np.array([1])),
    init('emb', rng.normal(size=(10, 8)).astype(np.float32)),
    init('neg', np.array(-1000000000.0, np.float32))], opset=13)
save('stft', [N('STFT', ['x', 'step', 'win'],
    ['f'], onesided=1),
    N('ReduceSumSquare', ['f'],
    ['e'], axes=[3], keepdims=0),
    N('MelWeightMatrix', ['nb', 'dl', 'sr', 'lo', 'hi'],
    ['mel']),
    N('MatMul', ['e', 'mel'],
    ['m']),
    N('Add', ['m', 'eps'],
    ['m2']),
    N('Log', ['m2'],
    ['y'])],
    [vi('x', F, ['N', 256, 1])],
    [vi('y', F, ['N', None, 8])],
    [init('step', np.array(32)),
    init('win', np.hanning(64).astype(np.float32)),
    init('nb', np.array(8)),
    init('dl', np.array(64)),
    init('sr', np.array(16000)),
    init('lo', np.array(0, np.float32)),
    init('hi', np.array(8000, np.float32)),
    init('eps', np.array(0.001, np.float32))], opset=17)
save('scalar_io', [N('Mul', ['x', 't'],
    ['y']),
    N('ReduceMean', ['y'],
    ['m'], keepdims=0),
    N('Mul', ['m', 't'],
    ['k']),
    N('Add', ['k', 't'],
    ['s'])],
    [vi('x', F, ['N', 4]),
    vi('t', F, [])],
    [vi('y', F, ['N', 4]),
    vi('s', F, [])])
save('vector_io', [N('Add', ['x', 'b'],
    ['h']),
    N('Relu', ['h'],
    ['y']),
    N('ReduceSum', ['y'],
    ['s'], keepdims=0)],
    [vi('x', F, [4])],
    [vi('y', F, [4]),
    vi('s', F, [])],
    [init('b', np.ones(4, np.float32))])
save('unknown_told', [N('MatMul', ['x', 'w'],
    ['a']),
    N('Inverse', ['sq'],
    ['b'], domain='com.microsoft'),
    N('MatMul', ['a', 'b'],
    ['y'])],
    [vi('x', F, ['N', 4])],
    [vi('y', F, ['N', 4])],
    [init('w', rng.normal(size=(4, 4)).astype(np.float32)),
    init('sq', (rng.normal(size=(4, 4)) + 4 * np.eye(4)).astype(np.float32))], ms=1, values=[vi('b', F, [4, 4])])
save('lstm_lens', [N('Transpose', ['x'],
    ['xt'], perm=[1, 0, 2]),
    N('LSTM', ['xt', 'w', 'r', 'b', 'lens'],
    ['h', 'hn', 'cn'], hidden_size=3, direction='bidirectional'),
    N('Transpose', ['h'],
    ['ht'], perm=[2, 0, 1, 3]),
    N('Transpose', ['hn'],
    ['z'], perm=[1, 0, 2])],
    [vi('x', F, ['N', 'T', 4]),
    vi('lens', T.INT32, ['N'])],
    [vi('ht', F, ['N', 'T', 2, 3]),
    vi('z', F, ['N', 2, 3])],
    [init('w', rng.normal(size=(2, 12, 4)).astype(np.float32)),
    init('r', rng.normal(size=(2, 12, 3)).astype(np.float32)),
    init('b', rng.normal(size=(2, 24)).astype(np.float32))])
save('tf_nhwc', [N('Transpose', ['input_1:0'],
    ['t'], perm=[0, 3, 1, 2]),
    N('Conv', ['t', 'w'],
    ['c'], auto_pad='SAME_UPPER', strides=[2, 2]),
    N('Clip', ['c', 'lo', 'hi'],
    ['r']),
    N('Transpose', ['r'],
    ['rt'], perm=[0, 2, 3, 1]),
    N('Shape', ['rt'],
    ['s']),
    N('Slice', ['s', 'i0', 'i1'],
    ['n']),
    N('Concat', ['n', 'm1'],
    ['ns'], axis=0),
    N('Reshape', ['rt', 'ns'],
    ['f']),
    N('MatMul', ['f', 'wd'],
    ['Identity:0'])],
    [vi('input_1:0', F, ['unk__1', 16, 16, 3])],
    [vi('Identity:0', F, ['unk__2', 10])],
    [init('w', w),
    init('lo', np.array(0, np.float32)),
    init('hi', np.array(6, np.float32)),
    init('i0', np.array([0])),
    init('i1', np.array([1])),
    init('m1', np.array([-1])),
    init('wd', rng.normal(size=(512, 10)).astype(np.float32))], opset=15)
