# bitledger with CUDA, Nsight Compute and Nsight Systems. Build with 'make image'; run with
#   docker run --gpus all --cap-add SYS_ADMIN bitledger make bench
# The base is an argument, so that the same file builds without a GPU and without a registry: scripts/check-image.sh.
ARG BASE_IMAGE=nvidia/cuda:13.0.3-devel-ubuntu24.04

# The programs of the distribution that both stages need. CUDA's devel images bring ncu, not nsys.
FROM ${BASE_IMAGE} AS system
# "required": a base without ncu and nsys is an error; "optional": without them there are no counters and no Nsight.
ARG PROFILERS=required
ARG NSYS_PACKAGE=cuda-nsight-systems-13-0
ARG DEBIAN_FRONTEND=noninteractive
# gcc and Python's headers: triton (torch.compile) compiles the launcher of each kernel on the machine it runs on.
RUN apt-get update \
    && apt-get install -y -q --no-install-recommends \
        bubblewrap ca-certificates gcc git libc6-dev libcap2-bin make python3 python3-dev python3-venv util-linux \
    && if [ -n "$(apt-cache search --names-only "^${NSYS_PACKAGE}\$")" ]; then \
        apt-get install -y -q --no-install-recommends "${NSYS_PACKAGE}"; fi \
    && rm -rf /var/lib/apt/lists/* \
    && if [ "${PROFILERS}" = required ]; then for tool in ncu nsys; do command -v "${tool}" \
        || { echo "${tool} is not in this base: build with PROFILERS=optional, or another BASE_IMAGE"; exit 1; }; \
        done; fi

# The pinned packages, in a layer that changes only with them. Secret "pip.conf": how this place reaches its packages.
FROM system AS packages
COPY pyproject.toml constraints.txt deploy/requirements.py /build/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf,mode=0444 \
    cd /build && python3 requirements.py pyproject.toml measure energy cluster ncu dev > requirements.txt \
    && python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --no-compile --disable-pip-version-check -qq -c constraints.txt \
        -r requirements.txt "setuptools>=77" \
    # The user in here cannot write there, so what is imported is compiled now, by all cores, which pip cannot.
    && { /opt/venv/bin/python -m compileall -q -j 0 -x '/tests?/' /opt/venv/lib >/dev/null || true; }

# What a user gets. The compiler stays, because triton needs it, and so nothing of the stages before is left behind.
FROM packages
# A container gives capabilities to root alone. deploy/entrypoint.sh hands those that the user asked for
# (--cap-add) on to the user in here, through this copy of setpriv; without --cap-add there is nothing to hand on.
RUN cp "$(command -v setpriv)" /usr/local/bin/keep-capabilities \
    && setcap cap_sys_admin,cap_sys_ptrace,cap_perfmon+p /usr/local/bin/keep-capabilities \
    && useradd --uid 10001 --create-home bitledger \
    && mkdir -p /opt/bitledger /models \
    && chown bitledger: /opt/bitledger /models && chmod a+rwx /home/bitledger /models
WORKDIR /opt/bitledger
COPY --chown=bitledger . .
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf,mode=0444 \
    /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check -qq --no-deps --no-build-isolation -e . \
    && chmod -R a+rX . && chmod a+rwx reports reports/runs
# The Makefile takes BITLEDGER_CONTAINER as "all is installed". HF_HOME: a volume, so that models are fetched once.
ENV PATH=/opt/venv/bin:${PATH} BITLEDGER_CONTAINER=1 HOME=/home/bitledger HF_HOME=/models \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
ARG GIT_COMMIT=unknown
ENV BITLEDGER_COMMIT=${GIT_COMMIT}
LABEL org.opencontainers.image.title="bitledger" \
      org.opencontainers.image.description="Why is the quantised model slower, and what do I change?" \
      org.opencontainers.image.revision="${GIT_COMMIT}"
USER bitledger
VOLUME ["/models"]
ENTRYPOINT ["/opt/bitledger/deploy/entrypoint.sh"]
CMD ["make", "help"]
