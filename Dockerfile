# The course in a container, on the CPU:
#
#     docker build --tag minidino .
#     docker run --rm --publish 8888:8888 --volume "$PWD/notebooks:/course/notebooks" minidino
#
# then open the address that it prints. What you write stays in your own notebooks/.
# Nobody has built this file yet: there was no Docker where it was written.
FROM python:3.12-slim

RUN useradd --create-home learner && mkdir /course && chown learner /course
USER learner
WORKDIR /course
ENV PATH="/home/learner/.local/bin:$PATH"

# PyTorch first and from its own index, without the CUDA libraries: 200 MB in place of 3 GB.
# It changes seldom, so that a change of the course does not fetch it again.
RUN pip install --user --no-cache-dir "torch>=2.11,<2.15" "torchvision>=0.26,<0.30" \
    --index-url https://download.pytorch.org/whl/cpu
COPY --chown=learner . .
RUN pip install --user --no-cache-dir --editable ".[course]"

EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--notebook-dir=/course"]
