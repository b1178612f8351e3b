"""A chat window in the browser (Streamlit), a conversation for each visitor.

pip install streamlit
streamlit run examples/recipes/streamlit_chat.py -- URL-OF-A-PAGE-THAT-SHOWS-YOUR-BOT
"""

import sys

import streamlit as st

import chatgptes


@st.cache_resource
def client(site: str) -> chatgptes.Client:
    """One client for all visitors: its limits are for the whole program."""
    return chatgptes.Client(site)


def main(site: str) -> None:
    st.title("Our bot")
    if "talk" not in st.session_state:
        st.session_state.talk = client(site).conversation()
    talk = st.session_state.talk
    for message in talk.messages:
        st.chat_message(message["role"]).write(message["content"])
    if prompt := st.chat_input("Ask something"):
        st.chat_message("user").write(prompt)
        with st.chat_message("assistant"):
            try:
                st.write_stream(talk.stream(prompt))
            except chatgptes.ChatGptEsError as error:
                st.error(str(error))


main(sys.argv[1])
