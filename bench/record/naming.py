"""What tells who measured and where: names of this machine, its user and their folders, as far as this process knows;
addresses, links and paths in running text; and fields that name somebody, by their names."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import socket
from collections.abc import Callable
from functools import cache
from pathlib import Path

from .secrets import SHORTEST, is_secret_name

_HOME = re.compile(rb"/(?:home|Users)/([A-Za-z0-9][A-Za-z0-9._-]+)")


def own_roots() -> tuple[Path, ...]:
    """The folders of the user and of this process."""
    return (Path.home(), Path.cwd())


def users_in(content: bytes) -> set[str]:
    """Whose home folders are named."""
    return {name.decode() for name in _HOME.findall(content)}


def own_hosts() -> set[str]:
    """What this machine is called."""
    name = socket.gethostname()
    return {name, name.split(".")[0]}


def own_users() -> set[str]:
    """Who runs this process, as far as it is known."""
    named = {os.environ.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER", "USERNAME")}
    with contextlib.suppress(OSError, KeyError):  # a user id that has no name
        named.add(getpass.getuser())
    home = Path("~").expanduser()
    return {name for name in (*named, home.name if len(home.parts) > 2 else "") if name}


# They name nobody in particular, also where a user or a host is called so: accounts of images, folders that many have,
# and words of kernels, schemes, models and presets, which a copy that is shared has to keep.
WORDS = frozenset(
    """
    abs act activation adapter add addmm admin affine alias align all amax amin aminmax and any aotdispatcher
    app apply apps arange arg argmax argwhere aten attention attn awq azureuser baddbmm bcast bench benchmark
    bf16 bfloat16 bin bincount bit bitblas bitledger bitlt bitsandbytes bitwise block bmm broad build builder
    bytecode c10d cache call cast cat catarray centos choose chunk cijk clamp clone code cols combined comms
    compare comparefunctor compatible compiled compiledfxgraph concat conda conj contiguous convert copy cos cpu
    cpy cross cub cublas cuda cumsum cutlass cvt daemon data debian decode decoder deep default dense dequant
    dequantize detach detail dev device devicereduce devicescan deviceselect div divide docker dot double
    dropout ec2-user elementwise embed embedding empty encoder exllama exp expand expert experts f16 f32
    fallback fedora fill flash flashinfer flatten float16 floor fmha for forward fp16 fp32 fp4 fp8 fresh full
    func functional fused fwd gather gating gelu gem gemlite gemm gemv get gloo gptq gpu group grouped guest
    gumbel half has head histc hot hqqmatmul hub huggingface humaneval igemm imma impl index infer inference int
    int4 int4pack int8 int8pack interleave isin item jenkins jovyan kdequant kdoublerowcolquant kernel
    kextractoutliers key kgemm kgetcolrowstats kint8vectorquant kquantize ktransformrow kunpack layer lift
    linear linspace linux loadwithcast local localhost log logical logits lookup machete main map marlin masked
    mat matmul max mbpp mean memcpy memset mha min mixed mla mlp mma mmq mmvq model models moe msccl mul multi
    multimem multinomial naive narrow native nccl neg new nf4 nobody node none nonzero norm nvidia nvjet nvshmem
    offset one ones only opc out output pagedattn param penalt per permut permute poi pow prefill pregraph proj
    project projects public put python pytorch qkv qparams quant quanti quantize quanto query quick radixsort
    rccl reciprocal reconstruct record red reduce region relu repack repeat reshape residual resize resolve
    right rms root rope rotary round routing rows rshift rsqrt rsub runner runs runtime sampling scalar scaled
    scatter score scratch sdpa searchsorted select self sglang shallow share shared shift shot shuffle sigmoid
    silu simt sin slice sm80 smoke soft softmax sort split splitk sqrt squeeze src stack step storewithcast
    strided sub sum swiglu tanh tem tensor test tests thrust tinygemm tmp tobf tofloat tohalf token top topk
    topp torch torchao torchdynamo transformers transpose tril triton triu two type ubuntu unary unbind unknown
    unpack unsafe unsqueeze user userbuffers users utlier vagrant value vec vectorized vectorwise view vllm
    vscode warp weight weightqbyteslinearfunction wgmma where wna16 work workspace wqkv wrapper xmma zero zeros
    """.split()  # noqa: SIM905
)


GONE = "…"
# Where anybody may look something up.
_PUBLIC = (
    r"(?:[\w-]+\.)*(?:huggingface\.co|hf\.co|pytorch\.org|nvidia\.com|python\.org|pypi\.org|pythonhosted\.org|arxiv\.org"
    r"|readthedocs\.io|w3\.org|json-schema\.org|speedscope\.app|perfetto\.dev|example\.(?:com|org|net))"
)
# Four numbers may be a version (curand 10.3.5.147): a text that is nothing else, or one after "==", "-" or "v", is.
_V4 = r"(?<![\w.@-])(?<!==)(?<!v)(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\w)"
# A name of C++ (fa::add) has no group of four that begins so.
_V6 = r"(?<![\w:.])(?:f[ed]|[23][0-9a-f])[0-9a-f]{2}:[0-9a-f:]{4,}[0-9a-f](?![\w:])"
_MAC = r"(?<![\w:.-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:-])"
_MAC += r"|(?<![\w.])[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?!\.?\w)|(?<=guid )(?:0x)?[0-9a-f]{16}\b"
_MAIL = r"(?<![\w.+-])[\w.+-]+@(?:(?:[\w-]+\.)+[A-Za-z]{2,}\b|(?:\d{1,3}\.){3}\d{1,3}(?![\w.])|[\w-]+(?=:[~/…]))"
# Names of two letters and of other endings may be those of modules (torch.nn.io).
_HOST = (
    rf"(?<![\w.@/{GONE}-])(?!github\.com/|{_PUBLIC}(?![\w.]))(?:[A-Za-z0-9][A-Za-z0-9-]*\.)+(?:com|org|edu|gov|mil|internal|intranet|lan|corp)(?![\w-]|\.\w)"
    rf"|(?<![\w.@/{GONE}-])(?!{_PUBLIC})(?:[A-Za-z][A-Za-z0-9-]*\.){{2,}}(?:net|de|uk|fr|es|nl|ch|se|fi|dk|pl|cz|eu|ca|jp|cn|kr|au|br)(?![\w-]|\.\w)"
)
_NUMBERED = (
    r"\bip-\d{1,3}(?:-\d{1,3}){3}\b|\b[A-Za-z0-9]+(?:-[A-Za-z0-9]+)+\.local\b|\b(?:[\w-]+\.)+svc(?:\.cluster\.local)?\b"
)
_ANY = re.compile("|".join((_MAIL, _MAC, _V6, _V4, _HOST, _NUMBERED)))
_EVERYBODYS = ("127.", "0.0.0.0", "255.")  # noqa: S104 - to be left in a text, nothing is bound to it
_VERSION = re.compile(r"\d+(?:\.\d+){3}")
_LINK = re.compile(
    rf"\b(?!file:)([a-z][a-z0-9+.-]*://)(?!{GONE}|(?:localhost|127\.0\.0\.1|\[::1\])(?![\w.])|{_PUBLIC}(?::\d+)?(?![\w.:@-])"
    r"|github\.com/(?:pytorch|huggingface|bitsandbytes-foundation|NVIDIA|triton-lang|vllm-project|benfred)/)"
    r"""[^\s"'<>|\\]+"""
    r"|\b\w+@[\w.-]+:[\w.~/-]+\.git\b|\barn:aws[\w:/.*-]+|\bprojects/[\w-]+/(?:zones|regions|locations)/[\w/.-]+"
)
_IDS = re.compile(
    r"(?<![\w-])(?<!GPU-)(?<!MIG-)(?:pod)?[0-9a-f]{8}([-_])[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}(?![\w-])"
    r"|(?:(?<=docker[-/])|(?<=containerd[-/])|(?<=containers/)|(?<=libpod-)|(?<=crio-)|(?<=overlay2/)|(?<=\w/pod))[0-9a-f]{12,64}\b"
    r"|(?<=machine-id )[0-9a-f]{32}\b|\bi-[0-9a-f]{17}\b"
    r"|\b(?!layer|block)[A-Za-z][\w-]*\[(?!0-9\])\d+-\d[\d,-]*\]",
    re.IGNORECASE,
)
_LONG = re.compile(r"[0-9A-Fa-f]{12}")  # found sooner than the rest
# A letter of ASCII as a link, JSON, a program or a page may write it.
_ESCAPED = re.compile(r"\\/|(?:%(?:25)*|\\u00|\\x)([2-7][0-9A-Fa-f])|&#(?:x([2-7][0-9A-Fa-f])|0*(\d\d\d?));")
# These would be read as marks of a page or of JSON.
_MARKS = frozenset("<>&\"'\\")


def without_addresses(text: str, masked: Callable[[str], str]) -> str:
    """The text with what ``masked`` gives for each address; loopback and the masks of networks stay."""
    if not ("@" in text or text.count(":") > 3 or "." in text or text.count("-") > 3 or "guid" in text):
        return text
    if _VERSION.fullmatch(text):
        return text
    return _ANY.sub(lambda found: found[0] if found[0].startswith(_EVERYBODYS) else masked(found[0]), text)


def without_links(text: str, masked: Callable[[str], str]) -> str:
    """The text with what ``masked`` gives for each link that is not to a public page, and each number of a machine."""
    if "://" in text or ".git" in text or "arn:" in text or "projects/" in text:
        text = _LINK.sub(lambda found: (found[1] or "") + masked(found[0]), text)
    return _IDS.sub(lambda found: masked(found[0]), text) if "[" in text or _LONG.search(text) else text


def unescaped(text: str) -> str:
    """The text with its escaped letters as they are read, but for marks."""
    return _ESCAPED.sub(_letter, text) if "\\" in text or "%" in text or "&#" in text else text


def _letter(found: re.Match[str]) -> str:
    code = int(found[1] or found[2] or "0", 16) or int(found[3] or ord("/"))
    letter = chr(code)
    return found[0] if letter in _MARKS or not 32 < code < 127 else letter


_PART = r"[^\s/\"'`:;,()<>|\[\]{}*?=&]+"
_BEGIN = rf"(?<![\w./~\\{GONE}-])"
# A path in quotes may have blanks in it; Windows names a server's folders too, and programs write each \ twice.
PATH = re.compile(
    r"(?<=[\"'])~?/\w[^\"'\\:*?<>|=\r\n]*/[^\"'\\:*?<>|=\r\n]*(?=\\?[\"'])"
    rf"|(?:(?<=file://)(?:\w[\w.-]*)?|(?<=-[ILo])|(?<=-[A-Za-z])(?=/(?:home|Users)/)|{_BEGIN}(?:\.\.?|(?<!:)/(?=/\w))?)"
    rf"(?:~[\w.-]*)?/(?:{_PART}/)+(?:{_PART})?"
    r"|(?:\b[A-Za-z]:\\{1,4}(?=[^\\\s]+\\)|(?<![\w\\])(?:\\\\\w[\w.$-]+\\(?!\\)|\\{4}\w[\w.$-]+\\\\))"
    r"(?:[^\\/:*?\"'<>|\r\n]+\\{1,2})*[^\\\s\"',;)]*"
)
_SEPARATOR = re.compile(r"[/\\]")
OF_SYSTEM = ("/proc/", "/sys/", "/dev/")
_INSTALLED = re.compile(r"/(?:(?:site|dist)-packages|(?:lib/)?python3\.\d+)/(?!site-packages|dist-packages)(.+)")
# Folders in which each has the name of a user, a group or a project, and what is no folder.
_OF_OWNERS = re.compile(
    r"(?i)[/\\](?:(?:home|users)[/\\]+[^/\\]+|users?|(?:net)?scratch\d*|proj(?:ects?)?|groups?|labs?|lustre\d*|gpfs\d*|beegfs|fsx|efs"
    r"|nobackup|staff|students|people|ptmp|fs\d+|exports?|mnt|media|volumes|vol\d*|nfs\d*|work|workspaces?|data|docker)"
    r"[/\\]+[^/\\]+$"
)
_FILE = re.compile(
    r"\.(?:py|so|jsonl?|gz|txt|log|csv|sqlite|safetensors|ya?ml|toml|h|hpp|cuh?|cpp|c|html|md|svg|out|err|pt|bin|cfg|ini"
    r"|(?:nsys|ncu)-rep)$"
)


def ending(path: str) -> str:
    """What is left of a path: what lies in an installed package, else its end, but nothing of somebody's folder."""
    if inside := _INSTALLED.search(path):
        return f"{GONE}/{inside[1]}"
    path = path.rstrip("/\\")
    return GONE if _OF_OWNERS.search(path) and not _FILE.search(path) else f"{GONE}/{_SEPARATOR.split(path)[-1]}"


# By their names in small letters without "_", "-" and blanks.
NAMES_OF = {
    name: kind
    for kind, names in {
        "host": "hostname host hosts nodename node nodelist jobnodelist stepnodelist computername batchhost",
        "user": "user users username login logname owner userid jobuser mailuser",
        "GPU": "uuid gpuuuid",
        "job": "jobid arrayjobid",
    }.items()
    for name in names.split()
}
# What these hold is not numbered, because nothing is set beside something else by it.
OF_A_MACHINE = frozenset(
    "cwd pwd oldpwd home workdir submitdir cmdline commandline env environ ip ipaddress ipaddr masteraddr nodeipaddr"  # noqa: SIM905
    " topologyaddr mac macaddress macaddr serial serialnumber machineid bootid containerid hostid cluster clusters"
    " clustername partition jobpartition account accountname jobaccount qos jobqos jobname reservation jobreservation"
    " wckey groupname groupid rdzvendpoint email proxy httpproxy httpsproxy remoteurl giturl".split()
)
# Before ": " other names are words of a sentence; behind an option of Slurm's there may be a blank.
_BEFORE_COLON = ("hostname", "nodename", "uuid", "serial", "number", "machine-id", "boot-id")
_BEFORE_BLANK = ("--account", "--clusters", "--partition", "--qos", "--job-name", "--nodelist", "--master_addr",
                 "--master-addr", "--rdzv_endpoint", "--rdzv-endpoint")  # fmt: skip
_BETWEEN = "|".join(
    (
        r"""\\?["']\s?[:=]\s?\\?["']|=\s?["']?""",
        *(rf"(?i:(?<={name})):\s+" for name in _BEFORE_COLON),
        *(f"(?<={name}) " for name in _BEFORE_BLANK),
    )
)
# (name, what stands between, value)
ASSIGNED = re.compile(
    rf"""(?<![\w.:])((?:--)?[A-Za-z][\w-]*(?: (?:[Nn]umber|ID|id|UUID))?)({_BETWEEN})([^\s"',;&\\()]+)"""
)
# These names alone say nothing: of a mapping, of a test.
_NO_SECRETS = frozenset(("key", "keys", "pass"))


@cache
def field(name: str) -> str:
    """How a field's name is looked up: a variable of Slurm's as what it names."""
    return re.sub(r"[ _-]|^SLURM(?:D|_SUBMIT|_LAUNCH)?_", "", name).lower()


def names_somebody(name: str) -> bool:
    """Whether a field of that name tells who or where, whatever it holds."""
    return field(name) in NAMES_OF.keys() | OF_A_MACHINE or is_secret_name(name)


def is_secret_field(name: str, text: str) -> bool:
    """Whether a field of that name holds a secret in ``text``."""
    if len(text) < SHORTEST or " " in text or name.lower() in _NO_SECRETS:
        return False
    return is_secret_name(name)
